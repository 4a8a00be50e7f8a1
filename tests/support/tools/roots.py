"""Fresh roots of Debian releases, in which packages are installed as on a new machine.

debootstrap(8) makes the root of a release once, in the cache. What is done in it goes to a file system in memory above
it (overlayfs), in mount, process and network namespaces of their own, so that nothing of it stays.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp

from support.tools.debs import CACHE, mirror

#: The releases on which packages are tried, and their numbers.
RELEASES = {"bookworm": 12, "trixie": 13}
_ROOTS = CACHE.parent / "roots"
#: The packages that a freshly installed server has beyond the smallest Debian.
_SERVER = "ca-certificates,curl,iproute2,procps,python3,systemd"
#: This machine's certificates, for a mirror that is reached through a proxy with its own authority.
_CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
#: Run by unshare: makes the overlay, and the file systems that programs need. The network is this machine's own.
_ENTER = """
set -e
lower=$1 work=$2 script=$3
mount -t tmpfs tmpfs "$work"
mkdir "$work/upper" "$work/work" "$work/root"
mount -t overlay overlay -o "lowerdir=$lower,upperdir=$work/upper,workdir=$work/work" "$work/root"
cd "$work/root"
mount -t proc proc proc
mount --rbind /dev dev
mount -t tmpfs tmpfs run
mount -t tmpfs tmpfs tmp
mkdir -p srv/given
mount --bind -o ro "$work.given" srv/given
cp /etc/resolv.conf etc/resolv.conf
exec chroot . /usr/bin/env -i HOME=/root TERM=dumb LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive \
    PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin sh -e "/srv/given/$script"
"""


@dataclass(frozen=True, slots=True)
class Ran:
    status: int
    said: str  # standard output and standard error, as a terminal would show them


def run_in(release: str, script: Path, *given: Path) -> Ran:
    """Run a script for sh(1) as root in a fresh root of a release. The script and the ``given`` files are in
    /srv/given.

    Errors: CalledProcessError where the root cannot be made.
    """
    lower = _root(release)
    work = Path(mkdtemp(prefix="svcc-root-"))
    handed = work.with_name(f"{work.name}.given")
    handed.mkdir()
    try:
        for path in (script, *given):
            shutil.copy(path, handed)
        unshare = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--propagation", "private"]
        done = subprocess.run(
            [*unshare, "bash", "-c", _ENTER, "enter", lower, work, script.name],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        return Ran(done.returncode, done.stdout)
    finally:
        shutil.rmtree(handed)
        work.rmdir()


def _root(release: str) -> Path:
    """Return the root of a release; the first call makes it (400 MB, a minute)."""
    root = _ROOTS / release
    if not root.exists():
        _ROOTS.mkdir(parents=True, exist_ok=True)
        made = Path(mkdtemp(prefix=f"{release}-", dir=_ROOTS))
        command = ["debootstrap", "--variant=minbase", f"--include={_SERVER}", release, str(made), mirror()]
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        if done.returncode:
            shutil.rmtree(made)
            sys.stderr.write(done.stdout + done.stderr)
            done.check_returncode()
        if _CERTIFICATES.exists():
            shutil.copy(_CERTIFICATES, made / _CERTIFICATES.relative_to("/"))
        made.chmod(0o755)
        made.rename(root)
    return root
