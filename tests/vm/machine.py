"""Run a command as root on a kernel that has IPVS, and get its output and exit status."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from vm.emulated import emulated
from vm.guest import GUEST_FAILED, NoKernelError, Outcome, run_on
from vm.process import start, wait
from vm.uml import user_mode

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

    It sees no network but its own loopback, and on a throw-away kernel nothing that it writes stays.
    """
    with tempfile.TemporaryDirectory(prefix="svcc-vm.") as control:
        return _run(Path(control), command, timeout, {}, nf_tables)


def run_with_file(
    command: Sequence[str], timeout: float, variable: str, *, nf_tables: bool = False
) -> tuple[Outcome, str]:
    """As :func:`run`; the command finds in ``$variable`` the path of a file whose text comes back."""
    with tempfile.TemporaryDirectory(prefix="svcc-vm.") as control:
        file = Path(control, "file")
        file.touch()
        outcome = _run(Path(control), command, timeout, {variable: str(file)}, nf_tables)
        return outcome, file.read_text()


def _run(
    control: Path, command: Sequence[str], timeout: float, environment: Mapping[str, str], nf_tables: bool
) -> Outcome:
    try:
        if has_ipvs() and (not nf_tables or has_nf_tables()):
            return _on_own_kernel(control, command, timeout, environment)
        guest = emulated() if nf_tables else user_mode()
        return run_on(guest, control, command, timeout, environment)
    except (NoKernelError, OSError) as error:
        return Outcome(GUEST_FAILED, "", f"{error}\n")


def _on_own_kernel(control: Path, command: Sequence[str], timeout: float, environment: Mapping[str, str]) -> Outcome:
    script = f'{_OWN} ip link set lo up; exec "$@"'
    words = ["unshare", "--net", "--mount", "--propagation", "private", "sh", "-c", script, "sh", *command]
    status = wait(start(words, control / "out", environment), timeout)
    return Outcome(status, (control / "out").read_text(errors="replace"))
