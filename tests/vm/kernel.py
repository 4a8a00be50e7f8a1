"""The user-mode Linux that the tests run on: fetched once with apt, kept in a cache directory."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

#: Where what was fetched and built is kept. ``$SVCC_VM_KERNEL`` may name another user-mode kernel, all built in.
CACHE = Path(os.environ.get("SVCC_VM_CACHE") or Path.home() / ".cache" / "svcc-vm")
_INSTALLED = Path("/usr/bin/linux.uml")


class NoKernelError(Exception):
    """The throw-away kernel cannot be had here; the message says which step failed."""


@dataclass(frozen=True, slots=True)
class Kernel:
    executable: Path
    modules: Path | None  # None: all is built in
    preload: Path


def kernel() -> Kernel:
    """The kernel, fetched and unpacked if need be (41 MB, some seconds)."""
    preload = _preload()
    given = os.environ.get("SVCC_VM_KERNEL")
    if given:
        return Kernel(Path(given), None, preload)
    root = Path("/") if _INSTALLED.exists() else CACHE / "uml"
    if not (root / "usr/bin/linux.uml").exists():
        _fetch("user-mode-linux", root)
    return Kernel(root / "usr/bin/linux.uml", next((root / "usr/lib/uml/modules").iterdir()), preload)


def _preload() -> Path:
    """The shared object made of xstate.c."""
    library = CACHE / "xstate.so"
    source = Path(__file__).with_name("xstate.c")
    if not library.exists() or library.stat().st_mtime < source.stat().st_mtime:
        CACHE.mkdir(parents=True, exist_ok=True)
        if not shutil.which("gcc"):
            _apt("install", "-y", "--no-install-recommends", "gcc", "libc6-dev")
        part = library.with_suffix(f".{os.getpid()}")
        _do("gcc", "-O2", "-shared", "-fPIC", "-o", str(part), str(source))
        part.replace(library)
    return library


def _fetch(package: str, root: Path) -> None:
    """Unpack a Debian package to ``root``, running none of its scripts."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=CACHE) as scratch:
        _apt("-o", "APT::Sandbox::User=root", "download", package, directory=scratch)
        (archive,) = Path(scratch).glob("*.deb")
        _do("dpkg-deb", "-x", str(archive), f"{scratch}/tree")
        Path(scratch, "tree").replace(root)


def _apt(*arguments: str, directory: str | None = None) -> None:
    try:
        _do("apt-get", *arguments, directory=directory)
    except NoKernelError:  # package lists that are missing or stale
        _do("apt-get", "update")
        _do("apt-get", *arguments, directory=directory)


def _do(*command: str, directory: str | None = None) -> None:
    environment = dict(os.environ, DEBIAN_FRONTEND="noninteractive", LC_ALL="C")
    try:
        subprocess.run(command, cwd=directory, env=environment, input="", capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise NoKernelError(f"{shlex.join(command)}: {getattr(error, 'stderr', None) or error}") from error
