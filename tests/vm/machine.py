"""Run a command as root on a kernel that has IPVS, and get its output and exit status."""

from __future__ import annotations

import ctypes
import os
import shlex
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from vm.kernel import NoKernelError, kernel

#: The exit status of a run whose guest failed, and of one that took too long (as timeout(1) has it).
GUEST_FAILED, TIMED_OUT = 125, 124
_PR_SET_PDEATHSIG = 1
#: What runs as process 1 of a guest.
INIT = Path(__file__).with_name("init.sh")

# Network namespaces by name live in a directory that all of the machine shares: the command gets its own.
_OWN = "mount -t tmpfs tmpfs /run/netns 2>/dev/null || { mkdir -p /run/netns; mount -t tmpfs tmpfs /run/netns; }; "


@dataclass(frozen=True, slots=True)
class Outcome:
    status: int
    output: str  # stdout and stderr, as they came
    trouble: str = ""  # what went wrong with the machine itself


def has_ipvs() -> bool:
    """Whether this machine's own kernel has IPVS loaded (loading it would change the machine)."""
    return Path("/proc/net/ip_vs").exists()


def run(command: Sequence[str], timeout: float) -> Outcome:
    """Run ``command`` in this working directory and environment.

    It sees no network but its own loopback, and on a throw-away kernel nothing that it writes stays.
    """
    with tempfile.TemporaryDirectory(prefix="svcc-vm.") as control:
        return _run(Path(control), command, timeout, {})


def run_with_file(command: Sequence[str], timeout: float, variable: str) -> tuple[Outcome, str]:
    """As :func:`run`; the command finds in ``$variable`` the path of a file whose text comes back."""
    with tempfile.TemporaryDirectory(prefix="svcc-vm.") as control:
        file = Path(control, "file")
        file.touch()
        outcome = _run(Path(control), command, timeout, {variable: str(file)})
        return outcome, file.read_text()


def _run(control: Path, command: Sequence[str], timeout: float, environment: Mapping[str, str]) -> Outcome:
    try:
        return (_on_own_kernel if has_ipvs() else _on_guest)(control, command, timeout, environment)
    except (NoKernelError, OSError) as error:
        return Outcome(GUEST_FAILED, "", f"{error}\n")


def _on_own_kernel(control: Path, command: Sequence[str], timeout: float, environment: Mapping[str, str]) -> Outcome:
    script = f'{_OWN} ip link set lo up; exec "$@"'
    words = ["unshare", "--net", "--mount", "--propagation", "private", "sh", "-c", script, "sh", *command]
    with open(control / "out", "wb") as out:
        process = subprocess.Popen(
            words,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            env={**os.environ, **environment},
            start_new_session=True,
            preexec_fn=_tied,  # noqa: PLW1509 (the tests have no threads)
        )
        status = _wait(process, timeout)
    return Outcome(status, (control / "out").read_text(errors="replace"))


def _on_guest(control: Path, command: Sequence[str], timeout: float, environment: Mapping[str, str]) -> Outcome:
    uml = kernel()
    exports = {**{k: v for k, v in os.environ.items() if k.isidentifier() and k not in ("_", "SHLVL")}, **environment}
    (control / "environment").write_text("".join(f"export {k}={shlex.quote(v)}\n" for k, v in exports.items()))
    (control / "settings").write_text(
        f"MODULES={shlex.quote(str(uml.modules or ''))}\nDIRECTORY={shlex.quote(os.getcwd())}\n"
        f"COMMAND=({shlex.join(command)})\n"
    )
    shutil.copy(INIT, control / "init")
    (control / "init").chmod(0o755)
    (control / "out").touch()
    words = [str(uml.executable), "mem=2G", "quiet", "umid=x", f"uml_dir={control}/", "root=none", "rootfstype=hostfs"]
    words += ["rootflags=/", "ro", f"init={control}/init", "con=null", "con0=null,fd:1", "ssl=null"]
    with open(control / "console", "wb") as console:
        process = subprocess.Popen(
            words,
            stdin=subprocess.DEVNULL,
            stdout=console,
            stderr=console,
            env={**os.environ, "LD_PRELOAD": str(uml.preload)},
            start_new_session=True,
            preexec_fn=_tied_and_pinned,  # noqa: PLW1509
        )
        ended = _wait(process, timeout)
    output = (control / "out").read_text(errors="replace")
    if ended == TIMED_OUT:
        return Outcome(TIMED_OUT, output, f"the guest ran past {timeout:.0f} s\n")
    status = control / "status"
    if status.exists() and status.read_text().strip():
        return Outcome(int(status.read_text()), output)
    console_end = (control / "console").read_text(errors="replace")[-4000:]
    return Outcome(GUEST_FAILED, output, f"the guest ended without an exit status; its console:\n{console_end}\n")


def _wait(process: subprocess.Popen[bytes], timeout: float) -> int:
    """The exit status, or TIMED_OUT; in any case nothing of the process's group is left."""
    try:
        return process.wait(timeout)
    except subprocess.TimeoutExpired:
        return TIMED_OUT
    finally:
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
