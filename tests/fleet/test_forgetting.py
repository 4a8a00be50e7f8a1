"""Old releases are deleted, but nothing that anybody needs, whoever publishes or rolls out meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import cache
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.etcd import Cluster, delete, empty, run
from svcc.compiler import ir
from svcc.compiler.load import load_text
from svcc.compiler.source import Source
from svcc.etcd.client import Client
from svcc.etcd.values import Compare, Operation, Outcome
from svcc.fleet import driving, release
from svcc.fleet.documents import Want
from svcc.fleet.errors import FleetError
from svcc.fleet.forgetting import forget
from svcc.fleet.keys import Keys
from svcc.fleet.publishing import Overtaken, publish
from svcc.fleet.reading import NoRelease, head_of, program_of, release_of, releases_of, snapshot
from svcc.fleet.rollout import NotNow, Rollout
from svcc.targets import targets

KEYS = Keys("shop")
_TEXT = """\
node a { address 10.0.0.4 }
service web { vip 198.19.10.1; port 80/tcp -> 8080; endpoints { 100.64.0.1; 100.64.0.HOST } }
"""
_HOSTS = range(2, 6)


@cache
def _draft(host: int) -> release.ReleaseDraft:
    program = load_text(Source("shop.dsl", _TEXT.replace("HOST", str(host)))).program
    assert isinstance(program, ir.Program)
    return release.draft(program, targets()["nft"], {})


class _Meddling(Client):
    """Whoever takes a program away at the worst moment, so often: just before the head moves."""

    left, hash = 0, ""

    async def transact(
        self, compares: Sequence[Compare], then: Sequence[Operation], otherwise: Sequence[Operation] = ()
    ) -> Outcome:
        if any(one.key == KEYS.head for one in compares) and self.left:
            self.left -= 1
            await delete(self, KEYS.pieces(self.hash), below=True)
        return await super().transact(compares, then, otherwise)


async def _publish(client: Client, host: int) -> None:
    await publish(client, KEYS, _draft(host), "ann", "", "2026-11-28T02:00:00Z")


async def _roll(client: Client, number: int) -> None:
    """Begin a rollout where there is none, and give its node the release; or end the one that there is."""
    try:
        await release_of(client, KEYS, number)
        await driving.start(client, KEYS, Rollout(number, (("a",),), soak=0))
    except NotNow:
        await driving.change(client, KEYS, lambda one: one if one.phase.ended else one.taken_back("over"))
        await _driven(client)
        return
    await _driven(client)


async def _driven(client: Client) -> None:
    """Write what a rollout says its nodes shall do, and end it, as if they obeyed."""
    task = asyncio.create_task(driving.drive(client, KEYS, "a test", lambda _: None, lambda _: None))
    await asyncio.sleep(0.05)
    task.cancel()
    await asyncio.wait({task})


async def _whole(client: Client) -> None:
    """All that is named is there, and can be read."""
    number, _ = await head_of(client, KEYS)
    seen = await snapshot(client, KEYS)
    named = {number, *(one.want.release for one in seen.nodes.values() if one.want is not None)}
    named |= set() if seen.rollout is None else {seen.rollout.release}
    there = await releases_of(client, KEYS)
    assert named - {0} <= {one.number for one in there}
    for one in there:
        assert await program_of(client, KEYS, one) in [_draft(host).program for host in _HOSTS]


def test_the_newest_stay_and_what_is_wanted(etcd: Cluster) -> None:
    async def test() -> None:
        async with empty(etcd, KEYS.all) as client:
            for turn in range(9):
                await _publish(client, (2, 3)[turn % 2] if turn < 8 else 4)
            await client.put(KEYS.want("a"), Want(1, 2).text.encode())
            await client.put(KEYS.blob("0" * 64, 0), b"of somebody who published, and was overtaken")
            assert await forget(client, KEYS, kept=2) == 6
            assert [one.number for one in await releases_of(client, KEYS)] == [9, 8, 2]
            hashes = {_draft(4).blob.hash, _draft(3).blob.hash}
            assert {*await client.names(KEYS.blobs)} == {KEYS.blob(one, 0) for one in hashes}
            await _whole(client)
            assert await forget(client, KEYS, kept=2) == 0
            with pytest.raises(FleetError, match="fleet shop has no release 7"):
                await driving.start(client, KEYS, Rollout(7, (("a",),)))
            await _publish(client, 2)
            await _whole(client)

    run(test())


def test_a_program_that_goes_while_it_is_published_is_uploaded_again(etcd: Cluster) -> None:
    async def test() -> None:
        async with empty(etcd, KEYS.all), _Meddling(etcd.urls) as client:
            client.left, client.hash = 1, _draft(2).blob.hash
            await _publish(client, 2)
            await _whole(client)
            client.left, client.hash = 99, _draft(3).blob.hash
            with pytest.raises(FleetError, match="publish once more"):
                await _publish(client, 3)
            client.left = 0
            await _publish(client, 3)
            await _whole(client)

    run(test())


@settings(max_examples=8)
@given(random=st.randoms(use_true_random=False))
def test_whoever_works_at_once_nothing_that_is_named_goes(etcd: Cluster, random: Random) -> None:
    async def work(client: Client, dice: Random) -> None:
        for _ in range(4):
            try:
                match dice.choice(("publish", "publish", "forget", "roll")):
                    case "publish":
                        await _publish(client, dice.choice(_HOSTS))
                    case "forget":
                        await forget(client, KEYS, kept=1)
                    case _:
                        number, _ = await head_of(client, KEYS)
                        await _roll(client, max(1, number - dice.randint(0, 2)))
            except (Overtaken, NoRelease):
                pass  # somebody else was first
            except FleetError as error:
                if not any(words in str(error) for words in ("has no release", "somebody else began")):
                    raise

    async def test() -> None:
        async with empty(etcd, KEYS.all) as client:
            await _publish(client, 2)
            await asyncio.gather(*(work(client, Random(random.random())) for _ in range(4)))
            await _whole(client)
            await forget(client, KEYS, kept=1)
            await _whole(client)

    run(test())
