"""Listings of tables: the tools are run for those that there are."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from svcc.kernel.namespaces import Namespace
from svcc.kernel.nft import tool
from svcc.kernel.xtables.variant import NFT, Listing

pytestmark = pytest.mark.kernel


@pytest.fixture
def ran(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Be on a node without tables; gives a file with a line for each listing that a tool made."""
    for name in ("nft", "iptables-nft-save", "ip6tables-nft-save"):
        (tmp_path / name).write_text(
            f"""#!/bin/sh
PATH=${{PATH#*:}}
echo {name} >> {tmp_path}/ran
exec {name} "$@"
"""
        )
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    (tmp_path / "ran").touch()
    with closing(Namespace("listings")) as namespace, namespace.entered():
        yield tmp_path / "ran"


@pytest.mark.parametrize("family", ["ip", "ip6"])
def test_a_table_of_nft(family: str, ran: Path) -> None:
    other = {"ip": "ip6", "ip6": "ip"}[family]
    subprocess.run(["/usr/sbin/nft", f"add table {other} custom; add table {family} customs"], check=True)
    assert tool.Listing("table", family, "custom").data() is None
    assert ran.read_text() == ""
    subprocess.run(["/usr/sbin/nft", f"add table {family} custom"], check=True)
    assert '"name": "custom"' in str(tool.Listing("table", family, "custom").text())
    assert ran.read_text() == "nft\n"


@pytest.mark.parametrize("family", ["iptables", "ip6tables"])
@pytest.mark.parametrize("table", ["raw", "mangle", "nat", "filter", "security"])
def test_a_table_of_iptables(family: str, table: str, ran: Path) -> None:
    assert Listing(family, NFT).data() == b""
    assert ran.read_text() == ""
    subprocess.run([f"/usr/sbin/{family}-nft", "-t", table, "-N", "OURS"], check=True)
    assert b":OURS - " in Listing(family, NFT).data()
    assert ran.read_text() == f"{family}-nft-save\n"
