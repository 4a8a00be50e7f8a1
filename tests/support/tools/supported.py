"""The versions with which svcc is tried, as the tests' own code names them: the rows of docs/supported.md."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator

from support import etcd
from support.tools import nft
from support.tools.elsewhere import PYTHONS
from support.tools.project import ROOT, floors, settings
from support.tools.roots import RELEASES
from support.vm import emulated, uml

#: The tools of Debian 12, the oldest machine on which all tests run: the command that prints each version, and the
#: version.
OLDEST = {
    "nft": (("nft", "--version"), "1.0.6"),
    "iptables": (("iptables", "--version"), "1.8.9"),
    "ipset": (("ipset", "--version"), "7.17"),
    "ipvsadm": (("ipvsadm", "--version"), "1.31"),
    "conntrack": (("conntrack", "--version"), "1.4.7"),
}
#: nft of the stable releases of Debian that the tests fetch, which will not change any more.
STABLE_NFT = {"trixie": "1.1.3"}
#: etcd of the releases of Debian that the tests fetch.
ETCD = {"bookworm": "3.4", "trixie": "3.5"}


def table() -> str:
    """Return the whole table, in Markdown."""
    rows = [("", "the oldest that is tried", "others that are tried"), ("---", "---", "---"), *_rows()]
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def _rows() -> Iterator[tuple[str, str, str]]:
    python = settings()["project"]["requires-python"].removeprefix(">=")
    yield "Python", python, ", ".join(f"3.{minor}" for minor in PYTHONS) + ", where the machine has them"
    own = f"the machine's own ({_measured_on()} in [performance.md](performance.md))"
    yield "Linux, nft and iptables", emulated.LINUX, own
    yield "Linux, ipvs", uml.OLDEST.linux, f"{uml.NEWER.linux}; the machine's own, where it has IPVS"
    others = (f"{STABLE_NFT[name]} ({name})" if name in STABLE_NFT else f"that of {name}" for name in nft.RELEASES[1:])
    yield "nft", OLDEST["nft"][1], ", ".join(others)
    yield "iptables, both variants", OLDEST["iptables"][1], "the machine's own"
    for tool in ("ipset", "ipvsadm", "conntrack"):
        yield tool, OLDEST[tool][1], "the machine's own"
    oldest, *later = (f"{ETCD[name]} ({name})" for name in etcd.RELEASES)
    yield "etcd", oldest, ", ".join(later)
    yield "Kubernetes' API", "what 1.20 answers, by recordings and a double", "none that runs"
    first, *further = (f"{number} ({name})" for name, number in RELEASES.items())
    yield "Debian, the packages", first, ", ".join(further)
    for name, version in floors().items():
        yield f"{name}, of Python", version, "the newest"


def _measured_on() -> str:
    """Return the version of Linux on which the documentation's figures were measured."""
    kernel: str = json.loads((ROOT / "docs" / "performance.json").read_text())["machine"]["kernel"]
    return "Linux " + ".".join(kernel.split(".")[:2])


def said_by(tool: str) -> tuple[int, ...]:
    """Return the version that a tool of this machine prints."""
    command, _ = OLDEST[tool]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    match = re.search(r"v(\d+(?:\.\d+)+)", done.stdout)
    assert match is not None, done.stdout
    return numbers(match[1])


def numbers(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")))
