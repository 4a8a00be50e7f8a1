"""The guest that is a user-mode Linux: Debian's, fetched once and kept in a cache directory."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from support.tools.debs import CACHE, NoDebs, unpacked
from support.vm.guest import Guest, NoKernelError
from support.vm.process import end, start

#: One kernel for all machines, and the Debian release that has it.
LINUX = "6.1"
_RELEASE = "bookworm"
#: Another user-mode kernel, with all of it built in: the path of its executable.
_OTHER = "SVCC_VM_KERNEL"


@dataclass(frozen=True)
class UserMode(Guest):
    executable: Path
    preload: Path
    modules: Path | None
    stop = "halt -f -f"
    mount = ("-t", "hostfs", "none", "-o", "{}")

    @contextmanager
    def started(self, control: Path) -> Iterator[subprocess.Popen[bytes]]:
        words = [str(self.executable), "mem=2G", "quiet", "umid=x", f"uml_dir={control}/", "root=none"]
        words += ["rootfstype=hostfs", "rootflags=/", "ro", f"init={control}/init", "con=null", "con0=null,fd:1"]
        preload = {"LD_PRELOAD": str(self.preload)}
        process = start([*words, "ssl=null"], control / "console", preload, pinned=True)
        try:
            yield process
        finally:
            end(process)


def user_mode() -> UserMode:
    """The first call fetches it (41 MB). Errors: NoKernelError."""
    preload = _preload()
    if os.environ.get(_OTHER):
        return UserMode(Path(os.environ[_OTHER]), preload, None)
    try:
        root = unpacked(_RELEASE, "user-mode-linux")
    except NoDebs as error:
        raise NoKernelError(f"no user-mode Linux: {error}") from error
    return UserMode(root / "usr/bin/linux.uml", preload, next((root / "usr/lib/uml/modules").iterdir()))


def _preload() -> Path:
    """The shared object made of xstate.c."""
    source = Path(__file__).with_name("xstate.c")
    library = CACHE.parent / "vm" / "xstate.so"
    if not library.exists() or library.stat().st_mtime < source.stat().st_mtime:
        library.parent.mkdir(parents=True, exist_ok=True)
        part = library.with_suffix(f".{os.getpid()}")
        command = ["cc", "-O2", "-shared", "-fPIC", "-o", str(part), str(source)]
        try:
            subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True)
        except (OSError, subprocess.CalledProcessError) as error:
            said = getattr(error, "stderr", "")
            raise NoKernelError(
                f"cannot compile {source.name}: {said or error} (apt-get install gcc libc6-dev)"
            ) from error
        part.replace(library)
    return library
