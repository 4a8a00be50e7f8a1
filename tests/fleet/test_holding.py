"""Holding addresses in a real etcd: what one machine holds, no other one takes from it."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from support.etcd import Cluster, empty, run
from svcc.agent.log import Log
from svcc.etcd.client import Client
from svcc.etcd.values import Listing
from svcc.fleet.documents import able_text, holder_text
from svcc.fleet.holding import Holding
from svcc.fleet.keys import Keys

KEYS = Keys("shop")
ADDRESS = "198.51.100.100"


@pytest.mark.parametrize("heard", [False, True], ids=["not-heard-of-yet", "heard-of-since"])
def test_what_another_machine_took_meanwhile_is_left_to_it(etcd: Cluster, tmp_path: Path, heard: bool) -> None:
    """Between a decision and its transaction others go on; the watch may have told of it, or not yet."""

    async def test() -> None:
        async with empty(etcd, KEYS.all) as client, client.hold(60) as held:
            holding = Holding(partial(Client, etcd.urls), KEYS, "a", tmp_path, Log())
            await client.put(KEYS.holder(ADDRESS), holder_text("b").encode(), held.lease)
            if heard:
                news: Listing = await client.list(KEYS.holders)
                holding._hear_holders(news)
            assert not await holding._put(client, ADDRESS, held)
            entry = await client.get(KEYS.holder(ADDRESS))
            assert entry is not None
            assert entry.value.decode() == holder_text("b")

    run(test())


@pytest.mark.parametrize("same", [True, False], ids=["by-which-it-lives", "before-the-one-by-which-it-lives"])
def test_whose_lease_ended_is_not_waited_for(etcd: Cluster, tmp_path: Path, same: bool) -> None:
    """Its address is heard to be free before it is heard to be dead, where its lease ended; else it takes it again."""

    async def test() -> None:
        async with empty(etcd, KEYS.all) as client:
            before, after = await client.grant(60), await client.grant(60)
            holding = Holding(partial(Client, etcd.urls), KEYS, "b", tmp_path, Log())
            holding.able = frozenset([ADDRESS])
            await client.put(KEYS.holder(ADDRESS), holder_text("a").encode(), before)
            await client.put(KEYS.alive("a"), able_text([ADDRESS]).encode(), before if same else after)
            holding._hear_lives(await client.list(KEYS.lives))
            holding._hear_holders(await client.list(KEYS.holders))
            assert holding._due() == []
            await client.revoke(before)
            holding._hear_holders(await client.list(KEYS.holders))
            assert holding._due() == ([ADDRESS] if same else [])

    run(test())
