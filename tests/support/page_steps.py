"""The commands that a page of the documentation tells people to type, run line by line on a site with a real etcd."""

from __future__ import annotations

import re
import shutil
import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from support.etcd import Cluster
from support.tools.debs import argv
from support.tools.project import ROOT

_BLOCK = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)
#: The folder of etcd's data in Debian's unit, and the page's file for a backup.
_DATA, _BACKUP = "/var/lib/etcd/default", "/var/backups/etcd.snapshot"
#: By release of Debian, the program that restores a backup, and its package.
_RESTORING = {"bookworm": ("etcdctl", "etcd-client"), "trixie": ("etcdutl", "etcd-server")}


def blocks(section: str) -> list[list[str]]:
    """Return the commands of each block of a section of docs/fleet.md, without comments."""
    page = (ROOT / "docs" / "fleet.md").read_text(encoding="utf-8")
    _, found, rest = page.partition(f"\n## {section}\n")
    assert found, f"the page has no section {section}"
    text = rest.partition("\n## ")[0]
    lines = ([line.partition("#")[0].strip() for line in block.split("\n")] for block in _BLOCK.findall(text))
    return [[line for line in block if line] for block in lines]


@dataclass
class Steps:
    """Runs what a page says.

    ``start``: starts etcd, on its machine; ``run``: runs a tool there; ``svcc``: runs svcc, and returns what it
    printed; ``restart``: restarts the agent of the page's machine.
    """

    etcd: Cluster
    folder: Path
    release: str
    start: Callable[[], None]
    run: Callable[..., object]
    svcc: Callable[..., str]
    url: str  # at which clients find etcd
    restart: Callable[[], None] = lambda: None
    published: str = ""  # the number of the newest release

    def follow(self, commands: Sequence[str]) -> str:
        """Run all commands; return what the last one printed."""
        said = ""
        for command in commands:
            said = self._do(command.split())
        return said

    def _do(self, words: list[str]) -> str:
        member, snapshot = self.etcd.members[0], str(self.folder / "snapshot")
        match words:
            case ["etcdctl", "snapshot", "save", file] if file == _BACKUP:
                program = argv(self.release, "etcd-client", "etcdctl")
                self.run(*program, "--endpoints", self.url, "snapshot", "save", snapshot)
            case ["systemctl", "stop", "etcd"]:
                member.end(signal.SIGTERM)
            case ["systemctl", "start", "etcd"]:
                self.start()
            case ["mv", old, new] if old == _DATA:
                shutil.rmtree(self._place(new), ignore_errors=True)  # of an earlier restore
                member.data.rename(self._place(new))
            case [("etcdctl" | "etcdutl") as program, "snapshot", "restore", file, "--data-dir", to] if file == _BACKUP:
                name, package = _RESTORING[self.release]
                if program == name:  # the page has a line for each release
                    cluster = ["--name", "m0", "--initial-cluster", f"m0={member.peer}"]
                    cluster += ["--initial-advertise-peer-urls", member.peer]
                    words = [*argv(self.release, package, name), "snapshot", "restore", snapshot, *cluster]
                    self.run(*words, "--data-dir", str(self._place(to)))
            case ["chown", "-R", "etcd:", to]:
                assert self._place(to).is_dir()
            case ["apt-get", "install", package]:
                assert package.startswith("./svcc_")
            case ["systemctl", "restart", "svcc-agent@nft"]:
                self.restart()
            case ["svcc", *rest]:
                said = self.svcc(*[self.published if word == "RELEASE" else word for word in rest])
                if found := re.search(r"^Release (\d+) is published", said, re.MULTILINE):
                    self.published = found[1]
                return said
            case _:
                raise AssertionError(f"nobody knows how to do this here: {' '.join(words)}")
        return ""

    def _place(self, path: str) -> Path:
        assert path.startswith(_DATA), path
        return Path(f"{self.etcd.members[0].data}{path.removeprefix(_DATA)}")

    def lose(self) -> None:
        """Lose etcd with all its data; an empty one takes its place."""
        (member,) = self.etcd.members
        member.end()
        shutil.rmtree(member.data)
        self.start()
