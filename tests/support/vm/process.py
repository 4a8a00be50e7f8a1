"""Processes that end with the tests, however these end, and leave none of their own behind."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

#: The exit status of what took too long, as timeout(1) has it.
TIMED_OUT = 124
_PR_SET_PDEATHSIG = 1


def start(
    words: Sequence[str],
    log: Path,
    environment: Mapping[str, str] | None = None,
    folder: Path | None = None,
    *,
    pinned: bool = False,
) -> subprocess.Popen[bytes]:
    """Start a command in a session of its own, and in a folder, if that is not this one. ``environment`` is added to
    this one's; ``pinned``: on one processor.

    Both its outputs are appended to ``log``.
    """
    with log.open("ab") as out:
        return subprocess.Popen(
            words,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            cwd=folder,
            env={**os.environ, **(environment or {})},
            start_new_session=True,
            preexec_fn=_tied_and_pinned if pinned else _tied,  # noqa: PLW1509 (the tests have no threads)
        )


def wait(process: subprocess.Popen[bytes], timeout: float) -> int:
    """The exit status, or TIMED_OUT; in any case nothing of the process's group is left."""
    try:
        return process.wait(timeout)
    except subprocess.TimeoutExpired:
        return TIMED_OUT
    finally:
        end(process)


def end(process: subprocess.Popen[bytes]) -> None:
    """End a process and its group, if it has not ended."""
    if process.poll() is None:
        process.terminate()  # at that user-mode Linux ends most of its children
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    with suppress(ProcessLookupError):  # and these are the others, stopped by the tracer that is gone
        os.killpg(process.pid, signal.SIGKILL)


def _tied() -> None:
    """In the child: end when the tests do, however they end."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def _tied_and_pinned() -> None:
    """User-mode Linux and its processes take turns: on one processor that is almost three times as fast."""
    _tied()
    processors = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {processors[os.getpid() % len(processors)]})
