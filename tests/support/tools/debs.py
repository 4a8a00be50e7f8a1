"""Programs of other Debian releases, unpacked in a cache directory and not installed.

apt resolves the packages with a configuration of its own (its lists, its cache, an empty list of installed packages),
from the mirror that this machine's own sources name.

``python -m support.tools.debs RELEASE PACKAGE PROGRAM`` prints the words that run a program.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path

_TREE = Path(__file__).parents[3]
#: This machine's network namespace, for a test that needs a package while it is in another one.
_NETWORK = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
#: Where fetched trees are kept; ``make clean`` removes the default.
CACHE = Path(os.environ.get("SVCC_TEST_CACHE") or _TREE / ".cache") / "debs"


class NoDebs(Exception):
    """The packages cannot be had here; the message says which step failed, and how."""


@cache
def unpacked(release: str, package: str) -> Path:
    """Return the root of a tree that holds ``package`` of a Debian release, and all its dependencies.

    The first call fetches it (30 MB, some 10 s). Errors: NoDebs.
    """
    root = CACHE / release / package
    if not root.exists():
        root.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=root.parent) as scratch:
            _unpack(release, package, Path(scratch))
            try:
                Path(scratch, "tree").rename(root)
            except OSError:
                if not root.exists():  # else another run was faster
                    raise
    return root


def argv(release: str, package: str, program: str) -> list[str]:
    """Return the words that run ``program`` (a name in a bin or libexec directory) of an unpacked package with its own
    libraries. Errors: NoDebs."""
    root = unpacked(release, package)
    libraries = sorted({str(path.parent) for top in ("usr/lib*", "lib*") for path in root.glob(f"{top}/**/*.so.*")})
    executable = _only(root, f"**/*bin/{program}", f"**/libexec/{program}")
    return [str(loader(root)), "--library-path", ":".join(libraries), str(executable)]


def loader(root: Path) -> Path:
    """What loads the programs of an unpacked tree; its C library is beside it. Errors: NoDebs."""
    # itself: in bookworm, lib64/ has a link to it from the root, which leads to this machine's own
    return _only(root, "usr/lib/*/ld-linux*.so.*", "lib/*/ld-linux*.so.*")


def _only(root: Path, *patterns: str) -> Path:
    for pattern in patterns:
        for path in sorted(root.glob(pattern)):
            return path
    raise NoDebs(f"no {patterns[0]} below {root}")


def _unpack(release: str, package: str, scratch: Path) -> None:
    options = _private(release, scratch)
    _run(*options, "update")
    _run(*options, "install", "--yes", "--download-only", "--no-install-recommends", package)
    archives = sorted(scratch.glob("cache/archives/*.deb"))
    if not archives:
        raise NoDebs(f"apt fetched nothing for {package} of {release}")
    for archive in archives:
        _run("dpkg-deb", "-x", str(archive), str(scratch / "tree"))


def _private(release: str, scratch: Path) -> list[str]:
    """Return ``apt-get`` with options that keep it from reading or writing anything of this machine but its network
    setup."""
    for directory in ("state/lists/partial", "cache/archives/partial", "parts"):
        (scratch / directory).mkdir(parents=True)
    (scratch / "status").touch()
    keyring = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
    signed = f" signed-by={keyring}" if keyring.exists() else ""
    (scratch / "sources.list").write_text(f"deb [target=Packages{signed}] {mirror()} {release} main\n")
    settings = {
        "Dir::State": scratch / "state",
        "Dir::State::status": scratch / "status",
        "Dir::Cache": scratch / "cache",
        "Dir::Etc::sourcelist": scratch / "sources.list",
        "Dir::Etc::sourceparts": scratch / "parts",
        "Dir::Etc::preferencesparts": scratch / "parts",
        "Dir::Etc::preferences": scratch / "none",
        "Acquire::Check-Valid-Until": "false",  # a mirror may lag; what it has is still signed
        "Acquire::Languages": "none",
        "Acquire::Retries": "3",
        "APT::Update::Error-Mode": "any",  # by default a list that was not fetched is only warned of
        "APT::Sandbox::User": "root",
        "Debug::NoLocking": "true",
    }
    return ["apt-get", "-q", *(word for key, value in settings.items() for word in ("-o", f"{key}={value}"))]


@cache
def mirror() -> str:
    """Return the URI of the Debian mirror that this machine's apt uses."""
    known = _mirrors()
    if not known:  # a fresh image has no package lists yet
        _run("apt-get", "-q", "update")
        known = _mirrors()
    if not known:
        raise NoDebs("apt-get indextargets: this machine's package sources name no Debian mirror")
    return known[0]


def _mirrors() -> list[str]:
    lines = _run("apt-get", "indextargets", "--format", "$(ORIGIN) $(LABEL) $(REPO_URI)", "Created-By: Packages")
    words = [line.split() for line in lines.splitlines()]
    return [uri for origin, label, uri in words if origin == label == "Debian"]


def _outside() -> list[str]:
    """Return the words that run a command in this machine's network; none for a user, who cannot leave it."""
    return [] if os.geteuid() else ["nsenter", f"--net=/proc/{os.getpid()}/fd/{_NETWORK}"]


def _run(*command: str) -> str:
    if not shutil.which(command[0]):
        raise NoDebs(f"{command[0]}: not found; these tests need Debian's package tools")
    environment = dict(os.environ, DEBIAN_FRONTEND="noninteractive", LC_ALL="C")
    done = subprocess.run(
        [*_outside(), *command],
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise NoDebs(f"{' '.join(command)}: exit status {done.returncode}\n{done.stderr}")
    return done.stdout


if __name__ == "__main__":
    print(*argv(*sys.argv[1:]))
