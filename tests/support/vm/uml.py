"""The guests that are a user-mode Linux of Debian. The packages are fetched once and kept in a cache directory."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from support.tools.debs import CACHE, NoDebs, loader, unpacked
from support.vm.guest import Guest, NoKernelError
from support.vm.process import end, start

#: The variable with the path of a user-mode kernel to use instead of all others. It needs all its modules built in.
_OTHER = "SVCC_VM_KERNEL"


@dataclass(frozen=True)
class Release:
    """A Debian release, and the version of its user-mode Linux."""

    debian: str
    linux: str


#: The oldest version that svcc supports for IPVS.
OLDEST = Release("bookworm", "6.1")
#: A newer version, which takes half the time, because it maps a process's memory in larger pieces.
NEWER = Release("trixie", "6.12")


@dataclass(frozen=True)
class UserMode(Guest):
    """A guest that is a user-mode Linux."""

    executable: Path
    libraries: Path | None  # the folder of its C library and loader; None: it uses this machine's
    preload: Path  # the shared object made of xstate.c
    modules: Path | None
    stop = "halt -f -f"
    mount = ("-t", "hostfs", "none", "-o", "{}")

    @contextmanager
    def started(self, control: Path) -> Iterator[subprocess.Popen[bytes]]:
        words = [str(self.executable), "mem=2G", "quiet", "umid=x", f"uml_dir={control}/", "root=none"]
        words += ["rootfstype=hostfs", "rootflags=/", "ro", f"init={control}/init", "con=null", "con0=null,fd:1"]
        environment = {"LD_PRELOAD": str(self.preload)}
        if self.libraries is not None:
            environment["LD_LIBRARY_PATH"] = str(self.libraries)
        process = start([*words, "ssl=null"], control / "console", environment, self.libraries, pinned=True)
        try:
            yield process
        finally:
            end(process)


def user_mode(release: Release = NEWER) -> UserMode:
    """Return the user-mode Linux of a release. The first call fetches its packages (41 MB). Errors: NoKernelError."""
    preload = _preload()
    if os.environ.get(_OTHER):
        return UserMode(Path(os.environ[_OTHER]), None, preload, None)
    try:
        root = unpacked(release.debian, "user-mode-linux")
        ld_so = loader(root)
    except NoDebs as error:
        raise NoKernelError(f"no user-mode Linux: {error}") from error
    executable = _loaded_by(ld_so, root / "usr/bin/linux.uml")
    return UserMode(executable, ld_so.parent, preload, next((root / "usr/lib/uml/modules").iterdir()))


def _loaded_by(ld_so: Path, executable: Path) -> Path:
    """Return a copy of an executable that uses the loader in its working directory instead of this machine's loader,
    which may be too old for it. Errors: NoKernelError.

    To run the loader with the executable as its argument does not work: then the heap follows the loader, far away from
    the address that user-mode Linux takes for the end of its memory.
    """
    copy = ld_so.with_name("linux.uml")
    if not copy.exists():
        name = ld_so.name.encode()
        found = re.compile(rb"/lib\d*/" + re.escape(name) + rb"\0")
        text, number = found.subn(lambda match: name.ljust(len(match[0]), b"\0"), executable.read_bytes())
        if number != 1:
            raise NoKernelError(f"no user-mode Linux: {executable} names its loader {number} times")
        part = copy.with_suffix(f".{os.getpid()}")
        part.write_bytes(text)
        part.chmod(0o755)
        part.replace(copy)
    return copy


def _preload() -> Path:
    """Return the shared object made of xstate.c. It is compiled again after each change. Errors: NoKernelError."""
    source = Path(__file__).with_name("xstate.c")
    library = CACHE.parent / "vm" / "xstate.so"
    if not library.exists() or library.stat().st_mtime < source.stat().st_mtime:
        library.parent.mkdir(parents=True, exist_ok=True)
        part = library.with_suffix(f".{os.getpid()}")
        command = ["cc", "-O2", "-shared", "-fPIC", "-o", str(part), str(source)]
        try:
            subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True)
        except (OSError, subprocess.CalledProcessError) as error:
            words = getattr(error, "stderr", "")
            raise NoKernelError(
                f"cannot compile {source.name}: {words or error} (apt-get install gcc libc6-dev)"
            ) from error
        part.replace(library)
    return library
