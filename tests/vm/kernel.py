"""The user-mode Linux that the tests run on: Debian's, fetched once and kept in a cache directory."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tools.debs import CACHE, NoDebs, unpacked

#: One kernel for all machines: Linux 6.1.
_RELEASE = "bookworm"
#: Another user-mode kernel, with all of it built in: the path of its executable.
_OTHER = "SVCC_VM_KERNEL"


class NoKernelError(Exception):
    """The throw-away kernel cannot be had here; the message says which step failed."""


@dataclass(frozen=True, slots=True)
class Kernel:
    executable: Path
    modules: Path | None  # None: all is built in
    preload: Path


def kernel() -> Kernel:
    """The kernel; the first call fetches it (41 MB). Errors: NoKernelError."""
    preload = _preload()
    if os.environ.get(_OTHER):
        return Kernel(Path(os.environ[_OTHER]), None, preload)
    try:
        root = unpacked(_RELEASE, "user-mode-linux")
    except NoDebs as error:
        raise NoKernelError(f"no user-mode Linux: {error}") from error
    return Kernel(root / "usr/bin/linux.uml", next((root / "usr/lib/uml/modules").iterdir()), preload)


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
