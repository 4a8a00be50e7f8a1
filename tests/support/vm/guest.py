"""What all guests have in common: how a command gets into the guest, and how its output and exit status get out.

They are files in a control directory, which has the same path in the guest and on the machine (see init.sh).
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
    """This machine cannot run the throw-away kernel; the message says which step failed."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a command ended."""

    status: int  # the exit status, TIMED_OUT or GUEST_FAILED
    output: str  # stdout and stderr, in the order in which they were written
    trouble: str = ""  # what went wrong with the machine itself


@dataclass(frozen=True, slots=True)
class Running:
    """A command that was started on some kernel, and its control directory."""

    process: Popen[bytes]
    control: Path

    @property
    def output(self) -> str:
        """What the command has printed so far."""
        return (self.control / "out").read_text(errors="replace")

    @property
    def ended(self) -> bool:
        """Whether the command has ended, and on a guest the guest."""
        return self.process.poll() is not None

    def wait(self, timeout: float) -> Outcome:
        """Wait until the command ends, and return how it did. After ``timeout`` seconds, end it."""
        return self.stop() if wait(self.process, timeout) != TIMED_OUT else self._timed_out(timeout)

    def stop(self) -> Outcome:
        """End the command, unless it has ended, and return how it ended."""
        end(self.process)
        return self._outcome()

    def _timed_out(self, timeout: float) -> Outcome:
        return Outcome(TIMED_OUT, self.output, f"it ran past {timeout:.0f} s\n")

    def _outcome(self) -> Outcome:
        return Outcome(self.process.returncode, self.output)


@dataclass(frozen=True, slots=True)
class InGuest(Running):
    """A command in a guest, which writes the exit status to a file."""

    def _outcome(self) -> Outcome:
        status = self.control / "status"
        if status.exists() and status.read_text().strip():
            return Outcome(int(status.read_text()), self.output)
        console = (self.control / "console").read_text(errors="replace")[-4000:]
        return Outcome(GUEST_FAILED, self.output, f"the guest ended without an exit status; its console:\n{console}\n")


class Guest(ABC):
    """A kernel that can be started with this machine's file tree as its root."""

    modules: Path | None  # the directory of its modules; None: all of them are built in
    stop: str  # the command that ends it from inside
    mount: Sequence[str]  # the words of mount(8) that mount the control directory; {} stands for its path

    @abstractmethod
    def started(self, control: Path) -> AbstractContextManager[Popen[bytes]]:
        """Run the guest for the ``with`` block, with ``init`` of the control directory as its process 1, and with its
        console written to ``console`` there.

        All processes that serve the guest end with the block. Errors: NoKernelError.
        """


@contextmanager
def started_on(
    guest: Guest, control: Path, command: Sequence[str], environment: Mapping[str, str]
) -> Iterator[Running]:
    """Run a command in a guest for the ``with`` block, in the current working directory.

    ``environment`` is added to the environment of this process. Errors: NoKernelError.
    """
    _write(guest, control, command, environment)
    with guest.started(control) as process:
        yield InGuest(process, control)


def _write(guest: Guest, control: Path, command: Sequence[str], environment: Mapping[str, str]) -> None:
    """Write the files of the control directory that the guest reads."""
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
