"""What a machine of a fleet answers for in its kernel, when an address goes to another one.

This kernel may have no dummy devices: the address is on a bridge of that name.
"""

from __future__ import annotations

import asyncio
from contextlib import closing
from pathlib import Path

import pytest

from support.apply_states import run
from support.lan import connect
from support.nft_programs import program
from support.waiting import LID, until
from svcc.agent.log import Log
from svcc.etcd.client import Client
from svcc.fleet.holding import Holding
from svcc.fleet.keys import Keys
from svcc.kernel.link.reading import links
from svcc.kernel.namespaces import Namespace

pytestmark = pytest.mark.kernel

ADDRESS = "198.51.100.100"
TEXT = f"service web {{ vip {ADDRESS}; announce yes; port 80/tcp; endpoints {{ 100.64.0.1 }} }}"


def _on_device() -> set[str]:
    return {held.address for link in links() if link.name == "svcc0" for held in link.addresses if held.version == 4}


def test_what_an_apply_brought_that_has_ceased_meanwhile_is_silenced(tmp_path: Path) -> None:
    """The guard silenced it when another machine told of it, and the apply that was under way put it back."""

    async def test() -> None:
        holding = Holding(lambda: Client(["http://127.0.0.1:1"]), Keys("shop"), "a", tmp_path, Log())
        holding._wanted = frozenset([ADDRESS])
        under_way = holding.joined(program(TEXT), "nft")
        holding._cease([ADDRESS], "another machine answers for it")
        holding.note_taken(under_way)
        assert _on_device() == {ADDRESS}
        async with asyncio.timeout(LID):
            silencing = asyncio.create_task(holding._keep_silent())
            await asyncio.to_thread(until, lambda: not _on_device(), "it is silenced")
            silencing.cancel()

    with closing(Namespace("machine")) as machine, closing(Namespace("other")) as other, machine.entered():
        connect(other.path)
        run("ip link add svcc0 type bridge")
        run("ip link set svcc0 up")
        run(f"ip address add {ADDRESS}/32 dev svcc0")
        asyncio.run(test())
