"""Run the system's own tools, which are found as root's shell would find them, each for a limited time.

A tool may hang: on a lock, or on a kernel that does not answer. svcc must not hang with it. So every run has a limit,
after which svcc ends the tool and all processes that it started.
"""

from __future__ import annotations

import os
import re
import select
import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from signal import SIGKILL, SIGTERM, Signals

from svcc.kernel.steps import Change, StepError, ToolEnd

#: Where the tools are on every distribution; a user's PATH often lacks sbin.
_SBIN = ("/usr/local/sbin", "/usr/sbin", "/sbin")

#: Seconds that any tool may take. iptables alone waits 60 s for a lock before it fails with a message.
LIMIT = 90.0
#: For so many bytes of input, a tool gets one more second: a tenth of the speed of the slowest tool on a slow machine.
BYTES_PER_SECOND = 16_384
#: How many bytes a tool may print: some ten times what 10,000 services take. And the seconds between looks at that.
_PRINTED = 512 << 20
_LOOK = 0.1
#: How many characters of a tool's output a message has.
_TOLD = 4096
#: Seconds between SIGTERM and SIGKILL, and from then until svcc leaves the tool alone: it may hang in the kernel for
#: ever.
_GRACE = 2.0

_FAULTS = {Signals.SIGSEGV, Signals.SIGABRT, Signals.SIGBUS, Signals.SIGILL, Signals.SIGFPE}
#: The process groups of the tools that run now. Whoever ends this process ends them first (:func:`end_all`).
_groups: set[int] = set()


def find(tool: str) -> str | None:
    """Return the path of a tool; None where the machine has none of that name."""
    return shutil.which(tool, path=os.pathsep.join((os.environ.get("PATH", os.defpath), *_SBIN)))


@dataclass(frozen=True, slots=True)
class Done:
    """A tool that has ended, by itself or otherwise, and what it printed."""

    tool: str
    returncode: int  # as subprocess has it: below zero, it is the signal that ended the tool
    output: bytes
    stderr: str
    late: float | None = None  # its limit in seconds, where svcc ended it because it took too long or printed too much

    @property
    def stdout(self) -> str:
        """What the tool printed, as text; bytes that are no UTF-8 are replaced."""
        return self.output.decode(errors="replace")

    @property
    def end(self) -> ToolEnd:
        """How the tool failed; only of use where it did."""
        if self.late is not None:
            return ToolEnd.LATE
        return ToolEnd.DIED if self.returncode < 0 else ToolEnd.REFUSED

    @property
    def crashed(self) -> bool:
        """Whether the tool died of a fault of its own, rather than because somebody ended it."""
        return -self.returncode in _FAULTS

    @property
    def complaint(self) -> str:
        """What the tool printed about its failure, on one line."""
        return " ".join((self.stderr[:_TOLD].strip() or self.output[:_TOLD].decode(errors="replace")).split())

    @property
    def words(self) -> str:
        """Why the tool failed, on one line: in its own words, or how it ended."""
        ended = self._ended
        if ended:
            return f"{ended}: {self.complaint}" if self.complaint and self.late is None else ended
        return self.complaint or f"{self.tool}: exit status {self.returncode}"

    @property
    def _ended(self) -> str:
        if self.late is not None and max(len(self.output), len(self.stderr)) > _PRINTED:
            return f"{self.tool} printed more than {_PRINTED >> 20} MiB, and was ended"
        if self.late is not None:
            return f"{self.tool} did not end within {self.late:.0f} s, and was ended"
        return f"{self.tool} was killed by {Signals(-self.returncode).name}" if self.returncode < 0 else ""

    def error(
        self, part: str, words: str = "", *, reading: bool = False, culprit: Change | None = None, line: str = ""
    ) -> StepError:
        """Return the failure as an error about a part. ``words``: what to say instead of the tool's own words, where it
        refused."""
        if self.end is not ToolEnd.REFUSED or not words:
            words = self.words
        return StepError(part, words, culprit=culprit, line=line, end=self.end, reading=reading)


class Running:
    """A tool that was started, and runs in the background. Errors: FileNotFoundError where there is no such tool.

    It reads from and writes to files in memory. So nobody has to read or write meanwhile, and only the tool itself can
    hang. Tools that print a listing in very small pieces are also quicker than with a pipe. A terminal's Ctrl-C does
    not reach the tool, as it is in a process group of its own.
    """

    def __init__(self, argv: Sequence[str], text: str | None = None, *, name: str = "") -> None:
        path = find(argv[0])
        if path is None:
            raise FileNotFoundError(argv[0])
        self._tool = name or argv[0]
        data = None if text is None else text.encode("utf-8", "surrogateescape")
        self._limit = LIMIT + len(data or b"") / BYTES_PER_SECOND
        self._output, self._errors = _memory(b""), _memory(b"")
        source = subprocess.DEVNULL if data is None else _memory(data)
        try:
            self._process = subprocess.Popen(
                [path, *argv[1:]],
                stdin=source,
                stdout=self._output,
                stderr=self._errors,
                env={**os.environ, "LC_ALL": "C"},
                process_group=0,
            )
        except BaseException:
            self._close()
            raise
        finally:
            if source != subprocess.DEVNULL:
                os.close(source)
        _groups.add(self._process.pid)
        self._deadline = time.monotonic() + self._limit

    def __del__(self) -> None:
        """End the tool, if it still runs: nobody waits for it any more."""
        if "_process" in vars(self) and "ended" not in vars(self):
            _end(self._process.pid, SIGKILL)
            self._reap(_GRACE)
            self._close()

    @cached_property
    def ended(self) -> Done:
        """The tool that has ended. Waits for its end; at its limit, ends it."""
        late = None
        if not self._ends_within_limits():
            late = self._limit
            for number in (SIGTERM, SIGKILL):
                _end(self._process.pid, number)
                if self._reap(_GRACE):
                    break
        status = self._process.returncode
        if late is not None and (status is None or status >= 0):  # a tool may answer SIGTERM with exit status 0
            status = -SIGKILL
        done = Done(self._tool, status, *self._printed(), late)
        self._close()
        return done

    def _ends_within_limits(self) -> bool:
        """Wait for the end of the tool, and return whether it ended before its limits. Its output takes memory, so that
        its size is looked at meanwhile."""
        while (left := self._deadline - time.monotonic()) > 0:
            if self._reap(min(left, _LOOK)):
                return True
            if any(os.fstat(handle).st_size > _PRINTED for handle in (self._output, self._errors)):
                return False
        return self._reap(0.0)

    def _reap(self, seconds: float) -> bool:
        """Wait some seconds for the end of the tool, reap it where it ended, and return whether it did."""
        if not _ends(self._process.pid, seconds):
            return False
        _groups.discard(self._process.pid)
        self._process.wait()
        return True

    def _printed(self) -> tuple[bytes, str]:
        sizes = (min(os.fstat(handle).st_size, _PRINTED + 1) for handle in (self._output, self._errors))
        output, errors = map(os.pread, (self._output, self._errors), sizes, (0, 0))
        return output, errors.decode(errors="replace")

    def _close(self) -> None:
        for handle in (self._output, self._errors):
            os.close(handle)


def _memory(data: bytes) -> int:
    """Return the descriptor of a file in memory with this data, at its beginning."""
    handle = os.memfd_create("svcc")
    view = memoryview(data)
    while view:
        view = view[os.write(handle, view) :]
    os.lseek(handle, 0, os.SEEK_SET)
    return handle


def _ends(child: int, seconds: float) -> bool:
    """Wait some seconds for the end of a child process, and return whether it ended. It is not reaped."""
    handle = os.pidfd_open(child)
    try:
        poll = select.poll()
        poll.register(handle, select.POLLIN)
        return bool(poll.poll(seconds * 1000))
    finally:
        os.close(handle)


def _end(group: int, number: Signals) -> None:
    with suppress(ProcessLookupError):
        os.killpg(group, number)


def end_all() -> None:
    """End every tool that runs now. A process calls this before it ends, or when it gives up waiting for its tools."""
    for group in tuple(_groups):
        _end(group, SIGKILL)


def run(argv: Sequence[str], text: str | None = None, *, name: str = "") -> Done:
    """Run a tool to its end, or to its limit, with ``text`` as its input. ``name``: its name in messages.

    Errors: FileNotFoundError where there is no such tool.
    """
    return Running(argv, text, name=name).ended


def attempt(part: str, argv: Sequence[str], text: str | None = None) -> Done:
    """Run a tool to its own end, whatever its exit status is. Errors: StepError where there is no such tool, or where a
    signal or its limit ended it."""
    try:
        done = run(argv, text)
    except FileNotFoundError:
        raise missing(part, argv[0]) from None
    if done.end is not ToolEnd.REFUSED:
        raise done.error(part)
    return done


def read(part: str, argv: Sequence[str]) -> str:
    """Run a tool that lists objects, and return what it prints. Errors: StepError."""
    try:
        done = run(argv)
    except FileNotFoundError:
        raise missing(part, argv[0]) from None
    if done.returncode:
        raise done.error(part, reading=True)
    return done.stdout


@contextmanager
def understood(part: str, tool: str) -> Iterator[None]:
    """Raise errors of the ``with`` block, which takes apart what a tool printed, as a StepError that says that svcc
    cannot read it."""
    try:
        yield
    except (AssertionError, AttributeError, LookupError, RecursionError, TypeError, ValueError) as error:
        raise StepError(part, f"{tool} printed what svcc cannot read ({error!r:.100})", reading=True) from error


def missing(part: str, tool: str) -> StepError:
    """Return the error that a part needs a tool that is not installed."""
    return StepError(part, f"{tool} is not installed", end=ToolEnd.MISSING)


def version(tool: str) -> tuple[int, ...] | None:
    """Return the version that a tool prints, as numbers: (1, 0, 6); None where it prints none or fails."""
    done = run([tool, "-V" if tool == "ip" else "--version"])
    found = re.search(r"\d+(?:\.\d+)+", done.stdout)
    return tuple(int(number) for number in found[0].split(".")) if found and not done.returncode else None
