"""What all guests have in common: how a command gets in, and its output and exit status out.

A control directory does that, at the same path in the guest and on the machine; see init.sh.
"""

from __future__ import annotations

import os
import shlex
import shutil
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from subprocess import Popen

from vm.process import TIMED_OUT, wait

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


def run_on(
    guest: Guest, control: Path, command: Sequence[str], timeout: float, environment: Mapping[str, str]
) -> Outcome:
    """Run a command in this working directory; ``environment`` is added to this one's. Errors: NoKernelError."""
    _write(guest, control, command, environment)
    with guest.started(control) as process:
        ended = wait(process, timeout)
    output = (control / "out").read_text(errors="replace")
    if ended == TIMED_OUT:
        return Outcome(TIMED_OUT, output, f"the guest ran past {timeout:.0f} s\n")
    status = control / "status"
    if status.exists() and status.read_text().strip():
        return Outcome(int(status.read_text()), output)
    console_end = (control / "console").read_text(errors="replace")[-4000:]
    return Outcome(GUEST_FAILED, output, f"the guest ended without an exit status; its console:\n{console_end}\n")


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
    (control / "out").touch()


def _passed_on() -> Iterator[tuple[str, str]]:
    for name, value in os.environ.items():
        if name.isidentifier() and name not in ("_", "SHLVL"):
            yield name, value
