"""Build Debian packages: svcc with a Python environment of its own below /opt, a package for each release of Debian.

The environment has venv's layout (PEP 405): a pyvenv.cfg, a link to the release's own Python, and the libraries that
pip chose for it. Debian's own libraries are too old for svcc in some release, and svcc is to be the same on all.
"""

from __future__ import annotations

import gzip
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from textwrap import dedent, indent

from svcc.man_pages import pages

ROOT = Path(__file__).parents[1]
#: Where the environment is.
_HOME = Path("opt/svcc")
#: Platforms whose wheels run on every release named below (manylinux, PEP 600).
_PLATFORMS = ("manylinux2014_x86_64", "manylinux_2_17_x86_64", "manylinux_2_28_x86_64", "any")
_SHELLS = {
    "bash": "usr/share/bash-completion/completions/svcc",
    "zsh": "usr/share/zsh/vendor-completions/_svcc",
    "fish": "usr/share/fish/vendor_completions.d/svcc.fish",
}
#: Documents of the tree that are installed.
_DOCS = ("README.md", "docs/*.md", "examples")


@dataclass(frozen=True, slots=True)
class Release:
    """A release of Debian, and its Python."""

    name: str
    number: int
    python: str


RELEASES = (Release("bookworm", 12, "3.11"), Release("trixie", 13, "3.13"))


def build(release: Release, wheel: Path, into: Path, *, version: str, time: int) -> Path:
    """Build the package for a release from svcc's wheel; return its file. ``time``: of the sources, in seconds since
    1970.

    The same wheel, libraries and time give the same bytes. Errors: CalledProcessError.
    """
    tree = into / f"tree-{release.name}"
    shutil.rmtree(tree, ignore_errors=True)
    tree.mkdir(parents=True)
    _environment(tree, release, wheel)
    _units(tree)
    _pages(tree, version, time)
    _completions(tree)
    _docs(tree)
    _control(tree, release, version)
    _settle(tree, time)
    made = into / f"svcc_{version}-1~deb{release.number}_amd64.deb"
    _run("dpkg-deb", "--root-owner-group", "-Zxz", "--build", tree, made, SOURCE_DATE_EPOCH=str(time))
    shutil.rmtree(tree)
    return made


def _run(*words: str | Path, **environment: str) -> None:
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL, env={**os.environ, **environment})


def _environment(tree: Path, release: Release, wheel: Path) -> None:
    home = tree / _HOME
    libraries = home / "lib" / f"python{release.python}" / "site-packages"
    platforms = [f"--platform={one}" for one in _PLATFORMS]
    chosen = ["--only-binary=:all:", "--implementation=cp", f"--python-version={release.python}", *platforms]
    _run(
        sys.executable, "-m", "pip", "install", "-qq", "--no-compile", "--target", libraries, *chosen, f"{wheel}[agent]"
    )
    for extra in ("bin", "lib", "share"):  # scripts name this machine's Python; units and docs are installed elsewhere
        shutil.rmtree(libraries / extra, ignore_errors=True)
    for told in ("RECORD", "direct_url.json"):  # pip's record of what it installed, and from where
        for note in libraries.glob(f"*.dist-info/{told}"):
            note.unlink()
    (home / "bin").mkdir()
    (home / "bin" / "python").symlink_to(f"/usr/bin/python{release.python}")
    (home / "pyvenv.cfg").write_text(
        f"home = /usr/bin\ninclude-system-site-packages = false\nversion = {release.python}\n"
    )
    program = home / "bin" / "svcc"
    program.write_text(f"#!/{_HOME}/bin/python -P\nfrom svcc.__main__ import program\n\nprogram()\n")
    program.chmod(0o755)
    (tree / "usr/bin").mkdir(parents=True)
    (tree / "usr/bin/svcc").symlink_to(f"/{_HOME}/bin/svcc")


def _units(tree: Path) -> None:
    shutil.copytree(ROOT / "systemd", tree / "usr/lib/systemd/system")


def _pages(tree: Path, version: str, time: int) -> None:
    folder = tree / "usr/share/man/man8"
    folder.mkdir(parents=True)
    date = datetime.fromtimestamp(time, UTC).strftime("%Y-%m-%d")
    for name, text in pages(version, date).items():
        (folder / f"{name}.8").write_text(text, encoding="utf-8")
        _pack(folder / f"{name}.8")


def _pack(path: Path) -> None:
    """Compress a file as Debian's policy says: gzip -9n."""
    path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes(), 9, mtime=0))
    path.unlink()


def _completions(tree: Path) -> None:
    for shell, path in _SHELLS.items():
        svcc = [sys.executable, "-P", "-m", "svcc"]
        environment = {**os.environ, "_SVCC_COMPLETE": f"{shell}_source"}
        done = subprocess.run(svcc, env=environment, check=True, stdout=subprocess.PIPE)
        (tree / path).parent.mkdir(parents=True)
        (tree / path).write_bytes(done.stdout)


def _docs(tree: Path) -> None:
    folder = tree / "usr/share/doc/svcc"
    folder.mkdir(parents=True)
    for found in (path for pattern in _DOCS for path in ROOT.glob(pattern)):
        place = folder / found.relative_to(ROOT)
        place.parent.mkdir(exist_ok=True)
        shutil.copytree(found, place) if found.is_dir() else shutil.copy(found, place)
    shutil.copy(ROOT / "LICENSE", folder / "copyright")
    shutil.copy(ROOT / "CHANGELOG.md", folder / "changelog")
    _pack(folder / "changelog")


def _control(tree: Path, release: Release, version: str) -> None:
    folder = tree / "DEBIAN"
    folder.mkdir()
    size = sum(path.lstat().st_size for path in tree.rglob("*") if path.is_file()) // 1024
    about = (
        "Compiles a file of services (virtual addresses, ports, node ports) and their endpoints to rules for iptables,"
        " nftables or IPVS, and makes the kernel match: all of it, or nothing. Its agent takes out endpoints that fail"
        " their checks."
    )
    (folder / "control").write_text(
        dedent(f"""\
            Package: svcc
            Version: {version}-1~deb{release.number}
            Architecture: amd64
            Maintainer: The developers of svcc <svcc@localhost>
            Installed-Size: {size}
            Depends: python{release.python}, libnftables1
            Recommends: iproute2, nftables | iptables
            Suggests: conntrack, ipset, ipvsadm, kmod
            Section: net
            Priority: optional
            Description: compiler for Linux service load balancing
        """)
        + indent(about, " ")
        + "\n"
    )
    _script(folder / "postinst", f"""\
        if [ "$1" = configure ]; then
            /{_HOME}/bin/python -m compileall -q /{_HOME}/lib
            if [ -d /run/systemd/system ]; then systemctl daemon-reload; fi
            if [ -z "$2" ]; then echo "svcc is installed. To begin: svcc init"; fi
        fi
        """)  # fmt: skip
    _script(folder / "prerm", f"find /{_HOME}/lib -name __pycache__ -prune -exec rm -rf {{}} +\n")
    _script(folder / "postrm", """\
        if [ -d /run/systemd/system ]; then systemctl daemon-reload; fi
        """)  # fmt: skip


def _script(path: Path, text: str) -> None:
    path.write_text(f"#!/bin/sh\nset -e\n{dedent(text)}")
    path.chmod(0o755)


def _settle(tree: Path, time: int) -> None:
    """Set modes and times that do not depend on where and when the package was built."""
    for path in sorted(tree.rglob("*"), reverse=True):
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)
        os.utime(path, (time, time), follow_symlinks=False)
    tree.chmod(0o755)
