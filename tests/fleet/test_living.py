"""Which agent lives under a node's name, in a real etcd: only one, even where two machines have the name."""

from __future__ import annotations

import asyncio
from functools import partial
from pathlib import Path

import pytest

from support.etcd import Cluster, coming, empty, run
from svcc.agent.log import Log
from svcc.etcd.client import Client
from svcc.fleet.documents import holder_text, read_able
from svcc.fleet.holding import Holding
from svcc.fleet.keys import Keys
from svcc.fleet.living import Living

KEYS = Keys("shop")
ADDRESS = "198.51.100.100"
ABLE, NOT_ABLE = frozenset([ADDRESS]), frozenset[str]()


def _living(folder: Path) -> Living:
    return Living(KEYS, "a", folder, Log())


def test_of_two_agents_of_one_name_the_first_has_it_while_it_lives(
    etcd: Cluster, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    async def test() -> None:
        async with empty(etcd, KEYS.all) as client:
            second = _living(tmp_path / "second")
            async with client.hold(60) as held, client.hold(60) as other:
                assert await _living(tmp_path / "first").show(client, held, ABLE)
                assert [await second.show(client, other, NOT_ABLE) for _ in range(2)] == [False, False]
                assert capfd.readouterr().err.count("another agent has the name of this node node=a") == 1
                entry = await client.get(KEYS.alive("a"))
                assert entry is not None
                assert (entry.lease, read_able(entry.key, entry.value)) == (held.lease.id, ABLE)
            async with client.hold(60) as held:
                assert await second.show(client, held, ABLE)

    run(test())


@pytest.mark.parametrize("kept", [b"", b"\xff", b"a" * 100_000, b"9" * 100_000])
def test_an_agent_that_is_started_again_knows_its_own_key(etcd: Cluster, tmp_path: Path, kept: bytes) -> None:
    (tmp_path / "fleet-lease").write_bytes(kept)

    async def test() -> None:
        async with empty(etcd, KEYS.all) as client, client.hold(60) as before, client.hold(60) as after:
            assert await _living(tmp_path).show(client, before, ABLE)
            anew = _living(tmp_path)  # the one before was killed
            assert await anew.show(client, after, NOT_ABLE)
            assert await anew.show(client, after, ABLE)

    run(test())


def test_who_has_no_lease_lets_go_of_nothing(etcd: Cluster, tmp_path: Path) -> None:
    """What is held in its name is the other machine's of that name."""

    async def test() -> None:
        async with empty(etcd, KEYS.all) as client, client.hold(60) as held:
            await client.put(KEYS.holder(ADDRESS), holder_text("a").encode(), held.lease)
            holding = Holding(partial(Client, etcd.urls), KEYS, "a", tmp_path, Log())
            holders = holding._holders
            following = [asyncio.create_task(one) for one in (holders.follow_lives(), holders.follow_holders(1.0))]
            await coming(lambda: holders.known and holders.mine, "etcd tells that this name holds the address")
            await holding._decide(client)
            assert await client.get(KEYS.holder(ADDRESS)) is not None
            for task in following:
                task.cancel()
            await asyncio.gather(*following, return_exceptions=True)

    run(test())
