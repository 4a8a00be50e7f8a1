"""A real systemd, in namespaces that are gone afterwards, with the units that the project ships."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from support.shell import Shell
from support.tools.project import ROOT
from support.waiting import until

UNITS = ROOT / "systemd"
#: The file of the agent's output, as seen from inside: there is no journal.
LOG = "/run/agent.log"
#: Prepares the machine before systemd starts: it has its own /etc, /run and /var/lib, and systemd finds ``svcc``.
#: Arguments: this Python, the folder of units.
_BEGIN = """\
set -e
mount --make-rprivate /
mount -t tmpfs tmpfs /run
mkdir /run/etc && cp -a /etc/. /run/etc && mkdir -p /run/etc/svcc && mount --bind /run/etc /etc
mount -t tmpfs tmpfs /var/lib
mount -t tmpfs tmpfs /usr/local/sbin
printf '#!/bin/sh\\nexec %s -P -m svcc "$@"\\n' "$1" > /usr/local/sbin/svcc
chmod 755 /usr/local/sbin/svcc
mount -t proc proc /proc
mount -t tmpfs tmpfs /sys/fs/cgroup
mount -t cgroup2 cgroup2 /sys/fs/cgroup
exec env -i container=svcc PATH="$PATH" SYSTEMD_UNIT_PATH="$2" /lib/systemd/systemd --system --log-target=console
"""
#: Targets that the project's units and systemd's defaults name. They are empty: the tests start everything themselves.
_TARGETS = ("default", "sysinit", "basic", "shutdown", "network", "network-pre", "local-fs", "multi-user")
_TARGET = "[Unit]\nDescription=Nothing\nDefaultDependencies=no\n"


class Machine:
    """A machine with systemd as its first process, in the network namespace of a shell."""

    def __init__(self, shell: Shell, process: subprocess.Popen[bytes], log: Path) -> None:
        self.shell = shell
        self._log = log
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        self._first = until(lambda: children.read_text().strip(), "systemd has a process", process=process)
        self._until_it_listens(process)

    def _until_it_listens(self, process: subprocess.Popen[bytes]) -> None:
        socket = "/run/systemd/private"
        until(lambda: self.run("test", "-S", socket).returncode == 0, "systemd listens", process=process)

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run a command on the machine."""
        enter = ["nsenter", f"--target={self._first}", "--mount", "--root", "--pid", "--cgroup", "--"]
        enter += ["env", f"SYSTEMD_UNIT_PATH={self.shell.folder / 'units'}"]
        with self.shell.namespace.entered():
            return subprocess.run([*enter, *words], capture_output=True, text=True, check=False)

    def systemctl(self, *words: str, status: int = 0) -> str:
        done = self.run("systemctl", *words)
        assert done.returncode == status, f"{done}\n{self.said()}"
        return done.stdout

    def until(self, condition: Callable[[], object], what: str) -> None:
        """Wait as :func:`support.waiting.until` does; a failure shows what systemd and the agent logged."""
        try:
            until(condition, what)
        except pytest.fail.Exception as error:
            pytest.fail(f"{error}\n{self.said()}")

    def show(self, unit: str, *names: str) -> list[str]:
        """Return properties of a unit, in the order of the given names, all of one moment."""
        lines = self.systemctl("show", *(f"--property={name}" for name in names), unit).splitlines()
        values = dict(line.split("=", 1) for line in lines)
        return [values[name] for name in names]

    def write(self, text: str) -> None:
        """Write the file that the agent follows."""
        draft = self.shell.folder / "draft.dsl"
        draft.write_text(text)
        for words in (["cp", str(draft), "/etc/svcc/svcc.dsl.new"], ["mv", "/etc/svcc/svcc.dsl.new", _FILE]):
            assert self.run(*words).returncode == 0

    def said(self) -> str:
        """Return what systemd and the agent have logged so far."""
        return f"{self._log.read_text()}\n{self.run('cat', LOG).stdout}"


_FILE = "/etc/svcc/svcc.dsl"


@contextmanager
def machine(shell: Shell, settings: str = "") -> Iterator[Machine]:
    """Yield a machine. ``settings``: further lines of the agent's [Service]."""
    units, log = shell.folder / "units", shell.folder / "systemd.log"
    shutil.copytree(UNITS, units)
    for name in _TARGETS:
        (units / f"{name}.target").write_text(_TARGET)
    for target in ("nft", "iptables", "ipvs"):
        (units / f"svcc-agent@{target}.service").symlink_to("svcc-agent@.service")
    (units / "modprobe@.service").symlink_to("/lib/systemd/system/modprobe@.service")
    extra = units / "svcc-agent@.service.d"
    extra.mkdir()
    # The tree may be in /tmp, and the agent has a /tmp of its own.
    binds = f"BindReadOnlyPaths={ROOT} {sys.prefix} {sys.base_prefix}\n"
    (extra / "test.conf").write_text(f"[Service]\nStandardError=append:{LOG}\n{binds}{settings}")
    words = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--cgroup", "--uts", "--ipc"]
    with shell.namespace.entered(), open(log, "wb") as output:
        process = subprocess.Popen(
            [*words, "bash", "-c", _BEGIN, "begin", sys.executable, os.fspath(units)],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
    try:
        yield Machine(shell, process, log)
    finally:
        process.kill()
        process.wait()
