"""Holding addresses in a real etcd: no machine takes an address that another one holds."""

from __future__ import annotations

from functools import partial

import pytest

from support.etcd import Cluster, empty, run
from svcc.agent.log import Log
from svcc.etcd.client import Client
from svcc.etcd.values import Listing
from svcc.fleet.documents import able_text, holder_text
from svcc.fleet.holders import Holders
from svcc.fleet.keys import Keys

KEYS = Keys("shop")
ADDRESS = "198.51.100.100"


def _holders(etcd: Cluster, name: str) -> Holders:
    return Holders(partial(Client, etcd.urls), KEYS, name, Log(), lambda: None)


@pytest.mark.parametrize("heard", [False, True], ids=["not-heard-of-yet", "heard-of-since"])
def test_what_another_machine_took_meanwhile_is_left_to_it(etcd: Cluster, heard: bool) -> None:
    """Between a decision and its transaction others go on; the watch may have told of it, or not yet."""

    async def test() -> None:
        async with empty(etcd, KEYS.all) as client, client.hold(60) as held:
            holders = _holders(etcd, "a")
            await client.put(KEYS.holder(ADDRESS), holder_text("b").encode(), held.lease)
            if heard:
                news: Listing = await client.list(KEYS.holders)
                holders.hear_holders(news)
            assert not await holders.take(client, ADDRESS, held)
            entry = await client.get(KEYS.holder(ADDRESS))
            assert entry is not None
            assert entry.value.decode() == holder_text("b")

    run(test())


@pytest.mark.parametrize("same", [True, False], ids=["by-which-it-lives", "before-the-one-by-which-it-lives"])
def test_whose_lease_ended_is_not_waited_for(etcd: Cluster, same: bool) -> None:
    """Its address is heard to be free before it is heard to be dead, where its lease ended; else it takes it again."""

    async def test() -> None:
        async with empty(etcd, KEYS.all) as client:
            before, after = await client.grant(60), await client.grant(60)
            holders, able = _holders(etcd, "b"), frozenset([ADDRESS])
            await client.put(KEYS.holder(ADDRESS), holder_text("a").encode(), before)
            await client.put(KEYS.alive("a"), able_text([ADDRESS]).encode(), before if same else after)
            holders.hear_lives(await client.list(KEYS.lives))
            holders.hear_holders(await client.list(KEYS.holders))
            assert holders.due(able) == []
            await client.revoke(before)
            holders.hear_holders(await client.list(KEYS.holders))
            assert holders.due(able) == ([ADDRESS] if same else [])

    run(test())
