"""A node asks a real etcd, one member of which hangs, whether a release stays."""

from __future__ import annotations

import asyncio
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, cast

from support.etcd import Member, cluster, run
from svcc.agent.log import Log
from svcc.compiler.load import load_text
from svcc.compiler.source import Source
from svcc.etcd.client import Client
from svcc.fleet import release
from svcc.fleet.documents import Want
from svcc.fleet.keys import Keys
from svcc.fleet.node import FleetNode
from svcc.fleet.publishing import publish
from svcc.targets import targets

if TYPE_CHECKING:
    from svcc.agent.loop import Agent

KEYS = Keys("shop")
_TEXT = """\
node a { address 10.0.0.4 }
service web { vip 198.19.10.1; port 80/tcp -> 8080; endpoints { 100.64.0.1 } }
"""


class _Machine:
    """What a node has here instead of an agent: a member of etcd hangs from when there is a release to agree to."""

    fault, down, drift = "", 0, 0

    def __init__(self, node: FleetNode, member: Member) -> None:
        self._node, self._member = node, member
        self.told = asyncio.Event()

    def reload(self) -> None:
        self._member.freeze()
        self.told.set()

    async def agrees(self) -> bool:
        await self.told.wait()
        program = self._node.read()
        assert program is not None
        return await self._node.agrees(program)


def test_a_release_stays_although_the_member_hangs_that_is_asked_first(tmp_path: Path) -> None:
    with cluster(tmp_path / "etcd", size=3) as made:
        hanging, *others = made.members

        async def agreed() -> bool:
            program = load_text(Source("shop.dsl", _TEXT)).program
            assert program is not None
            async with Client([other.url for other in others]) as etcd:
                draft = release.draft(program, targets()["nft"], {})
                await publish(etcd, KEYS, draft, "ann", "", "2026-11-28T02:00:00Z")
                await etcd.put(KEYS.want("a"), Want(1, 1).text.encode())
            # a member that hangs is waited for as long as the test may take
            client = partial(Client, [hanging.url, *(other.url for other in others)], timeout=3600)
            node = FleetNode(client, KEYS, "a", tmp_path / "state", Log(), seconds=3600)
            machine = _Machine(node, hanging)

            async def live() -> None:
                await node.until_aimed()
                machine.reload()
                await node.beside(cast("Agent", machine), node.target)

            async with asyncio.TaskGroup() as tasks:
                background = [tasks.create_task(node.obey()), tasks.create_task(live())]
                try:
                    return await machine.agrees()
                finally:
                    for task in background:
                        task.cancel()

        assert run(agreed())
        hanging.thaw()
