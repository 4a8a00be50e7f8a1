"""Starts processes that end when the tests end, in whatever way, and that leave no processes of their own behind."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

#: The exit status of a process that took too long, as in timeout(1).
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
    """Start a command in a session of its own. Its stdout and stderr are appended to ``log``.

    ``environment`` is added to the environment of this process. ``folder``: the command's working directory; None: the
    current one. ``pinned``: whether it stays on one processor.
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
    """Wait for a process, and return its exit status, or TIMED_OUT after ``timeout`` seconds.

    In any case the process and its group are ended.
    """
    try:
        return process.wait(timeout)
    except subprocess.TimeoutExpired:
        return TIMED_OUT
    finally:
        end(process)


def end(process: subprocess.Popen[bytes]) -> None:
    """End a process, unless it has ended, and all that is left of its group."""
    if process.poll() is None:
        process.terminate()  # on SIGTERM user-mode Linux ends most of its children
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    with suppress(ProcessLookupError):  # other children are still stopped, as their tracer left them
        os.killpg(process.pid, signal.SIGKILL)


def _tied() -> None:
    """Make this process, the child, end when the tests end, in whatever way (PR_SET_PDEATHSIG)."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def _tied_and_pinned() -> None:
    """Do what :func:`_tied` does, and keep this process on one processor.

    User-mode Linux and its processes take turns: on one processor that is almost three times as fast.
    """
    _tied()
    processors = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {processors[os.getpid() % len(processors)]})
