"""What all guests have in common: how a command gets in, and its output and exit status out.

A control directory does that, at the same path in the guest and on the machine; see init.sh.
"""

from __future__ import annotations

import os
import shlex
import shutil
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from subprocess import Popen

from support.vm.process import TIMED_OUT, end, wait

#: The exit status of a run whose guest failed.
GUEST_FAILED = 125
#: What runs as process 1 of a guest.
INIT = Path(__file__).with_name("init.sh")


class NoKernelError(Exception):
    """The throw-away kernel cannot be had here; the message says which step failed."""


@dataclass(frozen=True, slots=True)
class Outcome:
    status: int
    output: str  # stdout and stderr, as they came
    trouble: str = ""  # what went wrong with the machine itself


@dataclass(frozen=True, slots=True)
class Running:
    """A command that was started on some kernel, and its control directory."""

    process: Popen[bytes]
    control: Path

    @property
    def output(self) -> str:
        """What it has printed so far."""
        return (self.control / "out").read_text(errors="replace")

    @property
    def ended(self) -> bool:
        return self.process.poll() is not None

    def wait(self, timeout: float) -> Outcome:
        """How it ended. After ``timeout`` seconds it is ended."""
        return self.stop() if wait(self.process, timeout) != TIMED_OUT else self._timed_out(timeout)

    def stop(self) -> Outcome:
        """End it, unless it has ended; how it did."""
        end(self.process)
        return self._outcome()

    def _timed_out(self, timeout: float) -> Outcome:
        return Outcome(TIMED_OUT, self.output, f"it ran past {timeout:.0f} s\n")

    def _outcome(self) -> Outcome:
        return Outcome(self.process.returncode, self.output)


@dataclass(frozen=True, slots=True)
class InGuest(Running):
    """A command whose exit status its guest writes down."""

    def _outcome(self) -> Outcome:
        status = self.control / "status"
        if status.exists() and status.read_text().strip():
            return Outcome(int(status.read_text()), self.output)
        console = (self.control / "console").read_text(errors="replace")[-4000:]
        return Outcome(GUEST_FAILED, self.output, f"the guest ended without an exit status; its console:\n{console}\n")


class Guest(ABC):
    """A kernel that can be started with this machine's file tree as its root."""

    modules: Path | None  # the directory of its modules; None: all is built in
    stop: str  # the command that ends it from within
    mount: Sequence[str]  # of mount(8): what the control directory is, {} being its path

    @abstractmethod
    def started(self, control: Path) -> AbstractContextManager[Popen[bytes]]:
        """Start it, with ``init`` of the control directory as its process 1 and ``console`` there as its console.

        Whatever else it needs while it runs is gone afterwards. Errors: NoKernelError.
        """


@contextmanager
def started_on(
    guest: Guest, control: Path, command: Sequence[str], environment: Mapping[str, str]
) -> Iterator[Running]:
    """Run a command in this working directory; ``environment`` is added to this one's. Errors: NoKernelError."""
    _write(guest, control, command, environment)
    with guest.started(control) as process:
        yield InGuest(process, control)


def _write(guest: Guest, control: Path, command: Sequence[str], environment: Mapping[str, str]) -> None:
    """The files of the control directory."""
    exports = {**dict(_passed_on()), **environment}
    (control / "environment").write_text("".join(f"export {k}={shlex.quote(v)}\n" for k, v in exports.items()))
    settings = {
        "MODULES": shlex.quote(str(guest.modules or "")),
        "STOP": shlex.quote(guest.stop),
        "MOUNT": f"({shlex.join(word.format(control) for word in guest.mount)})",
        "DIRECTORY": shlex.quote(os.getcwd()),
        "COMMAND": f"({shlex.join(command)})",
    }
    (control / "settings").write_text("".join(f"{name}={value}\n" for name, value in settings.items()))
    shutil.copy(INIT, control / "init")
    (control / "init").chmod(0o755)


def _passed_on() -> Iterator[tuple[str, str]]:
    for name, value in os.environ.items():
        if name.isidentifier() and name not in ("_", "SHLVL"):
            yield name, value
