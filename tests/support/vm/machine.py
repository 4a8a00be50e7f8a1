"""Run a command as root on a kernel that has IPVS, and get its output and exit status."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from support.vm.emulated import emulated
from support.vm.guest import GUEST_FAILED, NoKernelError, Outcome, Running, started_on
from support.vm.process import end, start
from support.vm.uml import user_mode

#: A command finds in this variable the path of a file that it shares with the one who started it.
FILE = "SVCC_VM_FILE"
# Network namespaces by name live in a directory that all of the machine shares: the command gets its own.
_OWN = "mount -t tmpfs tmpfs /run/netns 2>/dev/null || { mkdir -p /run/netns; mount -t tmpfs tmpfs /run/netns; }; "


def has_ipvs() -> bool:
    """Whether this machine's own kernel has IPVS loaded (loading it would change the machine)."""
    return Path("/proc/net/ip_vs").exists()


def has_nf_tables() -> bool:
    """Whether this machine's own kernel has nf_tables for IP."""
    words = ["unshare", "--net", "nft", "add table ip probe"]
    return subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, check=False).returncode == 0


def run(command: Sequence[str], timeout: float, *, nf_tables: bool = False) -> Outcome:
    """Run ``command`` in this working directory and environment, with nf_tables if these are asked for.

    It sees no network but its own loopback, and on a throw-away kernel nothing that it writes stays. Where no kernel
    can be had, the outcome says so.
    """
    try:
        with started(command, nf_tables=nf_tables) as running:
            return running.wait(timeout)
    except (NoKernelError, OSError) as error:
        return Outcome(GUEST_FAILED, "", f"{error}\n")


@contextmanager
def started(command: Sequence[str], *, nf_tables: bool = False) -> Iterator[Running]:
    """As :func:`run`, for one who looks at what the command does; it is ended at the end of this.

    Errors: NoKernelError.
    """
    with tempfile.TemporaryDirectory(prefix="svcc-vm.") as directory:
        control = Path(directory)
        (control / "file").touch()
        (control / "out").touch()
        environment = {FILE: str(control / "file")}
        if has_ipvs() and (not nf_tables or has_nf_tables()):
            with _on_own_kernel(control, command, environment) as running:
                yield running
        else:
            guest = emulated() if nf_tables else user_mode()
            with started_on(guest, control, command, environment) as running:
                yield running


@contextmanager
def _on_own_kernel(control: Path, command: Sequence[str], environment: Mapping[str, str]) -> Iterator[Running]:
    script = f'{_OWN} ip link set lo up; exec "$@"'
    words = ["unshare", "--net", "--mount", "--propagation", "private", "sh", "-c", script, "sh", *command]
    process = start(words, control / "out", environment)
    try:
        yield Running(process, control)
    finally:
        end(process)
