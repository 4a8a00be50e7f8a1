"""The guest that has nf_tables beside IPVS: Debian's cloud kernel in qemu, which translates its instructions.

Of Debian's kernels only this one has virtio-fs built in. So it boots from this machine's file tree alone, without a
disk or an initramfs. The packages are fetched once, kept in a cache directory, and not installed.
"""

from __future__ import annotations

import platform
import resource
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from support.tools.debs import NoDebs, argv, unpacked
from support.vm.guest import Guest, NoKernelError
from support.vm.process import end, start

#: The kernel's version, the same on all machines, and the Debian release that has this kernel and the emulator.
LINUX = "6.12"
_RELEASE = "trixie"
_KERNEL, _EMULATOR, _FILES = "linux-image-cloud-amd64", "qemu-system-x86", "virtiofsd"
_MEMORY = "2G"
#: Options of virtiofsd for the file tree: what the guest has read once stays in its memory. Otherwise it reads a
#: program again for each process, which takes longer than most of them run.
_ROOT = ["--readonly", "--cache", "always"]
#: How many seconds virtiofsd may take to start, however busy the machine is.
_PATIENCE = 600.0


@dataclass(frozen=True)
class Emulated(Guest):
    """A guest in qemu."""

    kernel: Path
    modules: Path | None
    stop = "reboot -f -f"  # nothing in the guest handles a power switch; with -no-reboot, a reboot ends it
    mount = ("-t", "virtiofs", "control")

    @contextmanager
    def started(self, control: Path) -> Iterator[subprocess.Popen[bytes]]:
        words = [*_machine(), *_with_kernel(self.kernel, f"{control}/init")]
        with ExitStack() as stack:
            for tag, directory, options in (("root", Path("/"), _ROOT), ("control", control, [])):
                socket = stack.enter_context(_served(directory, control, tag, options))
                words += ["-chardev", f"socket,id={tag},path={socket}"]
                words += ["-device", f"vhost-user-fs-pci,chardev={tag},tag={tag}"]
            process = start(words, control / "console")
            stack.callback(end, process)
            yield process


def emulated() -> Emulated:
    """Return the emulated guest. The first call fetches its packages (100 MB). Errors: NoKernelError."""
    if platform.machine() != "x86_64":
        raise NoKernelError(
            f"no kernel with nf_tables and IPVS for {platform.machine()}: the emulated one is an x86_64"
        )
    try:
        root = unpacked(_RELEASE, _KERNEL)
        argv(_RELEASE, _EMULATOR, "qemu-system-x86_64")
        argv(_RELEASE, _FILES, "virtiofsd")
    except NoDebs as error:
        raise NoKernelError(f"no emulated Linux: {error}") from error
    return Emulated(next((root / "boot").glob("vmlinuz-*")), _modules(root))


def _modules(root: Path) -> Path:
    """Return the directory of a kernel's modules, with the list of their dependencies that an installation would have
    made (depmod(8)). Errors: NoKernelError.
    """
    modules = next((root / "usr/lib/modules").iterdir())
    if not (modules / "modules.dep").exists():
        command = ["depmod", "-b", str(root / "usr"), modules.name]
        try:
            subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True)
        except (OSError, subprocess.CalledProcessError) as error:
            words = getattr(error, "stderr", "")
            raise NoKernelError(f"no emulated Linux: {words or error} (apt-get install kmod)") from error
    return modules


def _machine() -> list[str]:
    """Return the command of an emulator with memory, which virtio-fs shares, a serial line as its console, and nothing
    else.

    It emulates an old processor: where the C library finds vector instructions it uses them, and these are slow to
    translate.
    """
    data = unpacked(_RELEASE, _EMULATOR) / "usr/share"
    return [
        *argv(_RELEASE, _EMULATOR, "qemu-system-x86_64"),
        *("-L", str(data / "qemu"), "-L", str(data / "seabios")),
        *("-accel", "tcg", "-machine", "q35", "-cpu", "qemu64", "-smp", "1", "-m", _MEMORY),
        *("-object", f"memory-backend-memfd,id=memory,size={_MEMORY},share=on", "-numa", "node,memdev=memory"),
        *("-nodefaults", "-no-user-config", "-display", "none", "-serial", "stdio", "-no-reboot"),
    ]


def _with_kernel(kernel: Path, init: str) -> list[str]:
    words = ["console=ttyS0", "quiet", "panic=-1", "nokaslr", "mitigations=off"]
    words += ["root=root", "rootfstype=virtiofs", "ro", f"init={init}"]
    return ["-kernel", str(kernel), "-append", " ".join(words)]


@contextmanager
def _served(directory: Path, control: Path, tag: str, options: list[str]) -> Iterator[Path]:
    """Serve a directory to a guest inside the ``with`` block, and give the socket. Errors: NoKernelError."""
    socket, log = control / f"{tag}.socket", control / f"{tag}.log"
    words = [*argv(_RELEASE, _FILES, "virtiofsd"), "--socket-path", str(socket), "--shared-dir", str(directory)]
    # File systems that are mounted in the tree are part of it. Without this option virtiofsd announces them to the
    # guest as mount points, and overlayfs takes no tree with such mount points as a layer.
    words += ["--no-announce-submounts", "--sandbox", "chroot", *options]
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]  # virtiofsd keeps each file open that the guest knows of
    words += ["--rlimit-nofile", str(min(most, 1_000_000))]
    process = start(words, log)
    try:
        deadline = time.monotonic() + _PATIENCE
        while not socket.exists():
            if process.poll() is not None or time.monotonic() > deadline:
                raise NoKernelError(f"no emulated Linux: virtiofsd does not serve {directory}: {log.read_text()}")
            time.sleep(0.02)
        yield socket
    finally:
        end(process)
