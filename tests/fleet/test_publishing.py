"""Publishing to a real etcd: what is there afterwards, and what happens where two publish at once."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import replace

import pytest

from support.dying_client import Died, Dying
from support.etcd import Cluster, delete, empty, run
from svcc.compiler import ir
from svcc.compiler.load import load_text
from svcc.compiler.source import Source
from svcc.etcd.client import Client
from svcc.fleet import release
from svcc.fleet.documents import Release
from svcc.fleet.errors import BadDocument, BadProgram
from svcc.fleet.keys import Keys
from svcc.fleet.publishing import Overtaken, publish
from svcc.fleet.reading import NoRelease, newest, pieces_of, program_of, release_of, releases_of
from svcc.targets import targets

KEYS = Keys("shop")
_TEXT = """\
node node-a { address 10.0.0.4 }
node node-b { address 10.0.0.5 }
service web { vip 198.19.10.1; port 80/tcp -> 8080; endpoints { 100.64.0.1; 100.64.0.HOST } }
"""


def _program(host: int = 2) -> ir.Program:
    program = load_text(Source("shop.dsl", _TEXT.replace("HOST", str(host)))).program
    assert program is not None
    return program


def _draft(host: int = 2) -> release.ReleaseDraft:
    return release.draft(_program(host), targets()["nft"], {})


async def _publish(client: Client, draft: release.ReleaseDraft, who: str = "ann") -> tuple[Release, bool]:
    return await publish(client, KEYS, draft, who, "a message", "2026-11-28T02:00:00Z")


def test_what_is_published_is_there(etcd: Cluster) -> None:
    async def test() -> None:
        async with empty(etcd, KEYS.all) as client:
            with pytest.raises(NoRelease, match="nothing was published for fleet shop yet"):
                await newest(client, KEYS)
            first, needed = await _publish(client, _draft())
            assert needed
            assert (first.number, [*first.nodes]) == (1, ["node-a", "node-b"])
            assert await newest(client, KEYS) == 1
            assert await release_of(client, KEYS, 1) == first
            taken = release.take(first, await pieces_of(client, KEYS, first), "node-a")
            assert taken.program == await program_of(client, KEYS, first)
            assert [str(one.address) for one in taken.program.services[0].endpoints] == ["100.64.0.1", "100.64.0.2"]
            assert await _publish(client, _draft(), "eve") == (first, False)
            second, needed = await _publish(client, _draft(3), "eve")
            assert needed
            assert [one.number for one in await releases_of(client, KEYS)] == [2, 1]
            assert await releases_of(client, KEYS) == [second, first]

    run(test())


def test_of_two_at_once_one_wins_and_the_others_are_told(etcd: Cluster) -> None:
    async def test() -> None:
        async with empty(etcd, KEYS.all) as client:
            await _publish(client, _draft())
            attempts = [_publish(client, _draft(host), f"host {host}") for host in range(3, 9)]
            done = await asyncio.gather(*attempts, return_exceptions=True)
            lost = [one for one in done if isinstance(one, Overtaken)]
            won = [one[0] for one in done if not isinstance(one, BaseException)]
            assert len(won) + len(lost) == 6
            assert [one.number for one in won] == [*range(2, 2 + len(won))]
            assert await releases_of(client, KEYS) == [*reversed(won), await release_of(client, KEYS, 1)]
            assert all(one.release in won for one in lost)
            assert all(f"was published by {one.release.who} meanwhile" in str(one) for one in lost)

    run(test())


@pytest.mark.parametrize("told", [False, True], ids=["before", "after"])
def test_whoever_dies_at_any_step_another_publishes(etcd: Cluster, told: bool) -> None:
    async def dies(at: int) -> bool:
        async with empty(etcd, KEYS.all) as client:
            await _publish(client, _draft())
            async with Dying(etcd.urls, at, told=told) as dying:
                with suppress(Died):
                    await _publish(dying, _draft(3), "dies")
            there = await releases_of(client, KEYS)
            assert [await program_of(client, KEYS, one) for one in there][-1] == _draft().program
            release, _ = await _publish(client, _draft(3), "another")
            assert (release.number, release.who) == (2, "dies" if len(there) == 2 else "another")
            assert await program_of(client, KEYS, release) == _draft(3).program
            return dying.died

    async def test() -> None:
        steps = 0
        while await dies(steps):
            steps += 1
        assert steps == 2  # it uploads, and moves the head

    run(test())


def test_what_was_tampered_with_is_not_taken(etcd: Cluster) -> None:
    async def test() -> None:
        async with empty(etcd, KEYS.all) as client:
            draft = _draft()
            blob = KEYS.blob(draft.blob.hash, 0)
            await client.put(blob, b"something else")
            with pytest.raises(BadDocument, match="does not match the hash in its name"):
                await _publish(client, draft)
            await delete(client, blob)
            published, _ = await _publish(client, draft)
            await client.put(blob, draft.blob.pieces[0][:-1] + b"!")
            with pytest.raises(BadProgram, match="another hash"):
                await program_of(client, KEYS, published)
            await delete(client, blob)
            with pytest.raises(BadProgram, match="piece 1 of 1 of release 1 is missing"):
                await program_of(client, KEYS, published)
            await client.put(KEYS.release(1), replace(published, number=2).text.encode())
            with pytest.raises(BadDocument, match="/svcc/shop/release/1 holds release 2 of fleet shop"):
                await release_of(client, KEYS, 1)

    run(test())
