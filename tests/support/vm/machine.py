"""Run a command as root on a kernel that has IPVS, and get its output and exit status."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from enum import Enum
from pathlib import Path

from support.vm.emulated import emulated
from support.vm.guest import GUEST_FAILED, Guest, NoKernelError, Outcome, Running, started_on
from support.vm.process import end, start
from support.vm.uml import NEWER, OLDEST, user_mode

#: The variable that gives a command the path of a file that it shares with the process that started it.
FILE = "SVCC_VM_FILE"
#: Where this variable is set, all tests run on the oldest kernel, except those that need nf_tables.
_ON_OLDEST = "SVCC_VM_OLDEST"
# The command gets a directory of its own for named network namespaces, because all processes of a machine share one.
_OWN = "mount -t tmpfs tmpfs /run/netns 2>/dev/null || { mkdir -p /run/netns; mount -t tmpfs tmpfs /run/netns; }; "


class Kernel(Enum):
    """What a test needs of a kernel. The value names what such a kernel has."""

    ANY = "IPVS"
    OLDEST = f"IPVS, Linux {OLDEST.linux}"  # the oldest that svcc supports for it
    NF_TABLES = "IPVS and nf_tables"


def has_ipvs() -> bool:
    """Whether this machine's own kernel has IPVS loaded (loading it would change the machine)."""
    return Path("/proc/net/ip_vs").exists()


def has_nf_tables() -> bool:
    """Whether this machine's own kernel has nf_tables for IP."""
    words = ["unshare", "--net", "nft", "add table ip probe"]
    return subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, check=False).returncode == 0


def run(command: Sequence[str], timeout: float, kernel: Kernel = Kernel.ANY) -> Outcome:
    """Run ``command`` in the current working directory and environment, on a kernel that has what ``kernel`` names.
    Return how it ended.

    It has no network but its own loopback, and on a throw-away kernel nothing that it writes stays. Where this machine
    cannot run such a kernel, the outcome says so. ``timeout``: in seconds.
    """
    try:
        with started(command, kernel) as running:
            return running.wait(timeout)
    except (NoKernelError, OSError) as error:
        return Outcome(GUEST_FAILED, "", f"{error}\n")


@contextmanager
def started(command: Sequence[str], kernel: Kernel = Kernel.ANY) -> Iterator[Running]:
    """Run a command for the ``with`` block as :func:`run` does, and give the running command. It ends with the block.

    Errors: NoKernelError.
    """
    with tempfile.TemporaryDirectory(prefix="svcc-vm.") as directory:
        control = Path(directory)
        (control / "file").touch()
        (control / "out").touch()
        environment = {FILE: str(control / "file")}
        if _own_is_enough(kernel):
            with _on_own_kernel(control, command, environment) as running:
                yield running
        else:
            with started_on(_guest(kernel), control, command, environment) as running:
                yield running


def _own_is_enough(kernel: Kernel) -> bool:
    """Whether this machine's own kernel has what ``kernel`` names. It never counts as the oldest."""
    if kernel is Kernel.OLDEST or os.environ.get(_ON_OLDEST) or not has_ipvs():
        return False
    return kernel is Kernel.ANY or has_nf_tables()


def _guest(kernel: Kernel) -> Guest:
    if kernel is Kernel.NF_TABLES:
        return emulated()
    return user_mode(OLDEST if kernel is Kernel.OLDEST or os.environ.get(_ON_OLDEST) else NEWER)


@contextmanager
def _on_own_kernel(control: Path, command: Sequence[str], environment: Mapping[str, str]) -> Iterator[Running]:
    script = f'{_OWN} ip link set lo up; exec "$@"'
    words = ["unshare", "--net", "--mount", "--propagation", "private", "sh", "-c", script, "sh", *command]
    process = start(words, control / "out", environment)
    try:
        yield Running(process, control)
    finally:
        end(process)
