"""Rollouts in a real etcd: driven, paused, taken back, and continued by other drivers.

Nodes are tasks that report what a test has them report.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager, suppress

import pytest

from support.dying_client import Died, Dying
from support.etcd import Busy, Cluster, coming, delete, run
from support.fleet_nodes import Nodes
from svcc.etcd.client import Client
from svcc.fleet import driving
from svcc.fleet.documents import NodeState, Status, Want
from svcc.fleet.errors import FleetError
from svcc.fleet.keys import Keys
from svcc.fleet.reading import Snapshot, snapshot
from svcc.fleet.rollout import NotNow, Rollout, RolloutPhase

KEYS = Keys("shop")
NODES = ("a", "b", "c")
STAGES = (("a",), ("b", "c"))


@asynccontextmanager
async def _fleet(etcd: Cluster) -> AsyncIterator[tuple[Client, Nodes]]:
    """An empty fleet with nodes that obey."""
    async with Client(etcd.urls) as client:
        await delete(client, KEYS.all, below=True)
        for release in (1, 2):
            await client.put(KEYS.release(release), b"a release")
        nodes = Nodes(client, KEYS, NODES)
        task = asyncio.create_task(nodes.obey())
        try:
            yield client, nodes
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


def _rollout(release: int, soak: float = 0.0) -> Rollout:
    return Rollout(release, STAGES, soak, patience=3600)


async def _drive(client: Client, tell: Callable[[Snapshot], None] = lambda _: None) -> Rollout:
    ended = await driving.drive(client, KEYS, "a test", tell, lambda _: None)
    assert ended.rollout is not None
    return ended.rollout


async def _releases(client: Client) -> dict[str, int]:
    seen = await snapshot(client, KEYS)
    return {node: one.want.release for node, one in seen.nodes.items() if one.want is not None}


def test_a_release_is_rolled_out_and_taken_back(etcd: Cluster) -> None:
    async def test() -> None:
        async with _fleet(etcd) as (client, _):
            for release in (1, 2):
                await driving.start(client, KEYS, _rollout(release))
                assert (await _drive(client)).phase is RolloutPhase.DONE
            assert await _releases(client) == {"a": 2, "b": 2, "c": 2}
            await driving.change(client, KEYS, lambda rollout: rollout.taken_back("a test wants it"))
            assert (await _drive(client)).phase is RolloutPhase.RETURNED
            assert await _releases(client) == {"a": 1, "b": 1, "c": 1}
            seen = await snapshot(client, KEYS)
            assert {one.want and one.want.epoch for one in seen.nodes.values()} == {3}
            assert await client.get(KEYS.lock) is None
            with pytest.raises(NotNow, match="went back"):
                await driving.change(client, KEYS, lambda rollout: rollout.resumed())

    run(test())


def test_a_node_that_fails_takes_the_others_back(etcd: Cluster) -> None:
    async def test() -> None:
        async with _fleet(etcd) as (client, nodes):
            await driving.start(client, KEYS, _rollout(1))
            await _drive(client)
            nodes.states["c", 2] = NodeState.FAILED
            await driving.start(client, KEYS, _rollout(2))
            ended = await _drive(client)
            assert (ended.phase, ended.words) == (RolloutPhase.RETURNED, "c failed: no such device")
            assert await _releases(client) == {"a": 1, "b": 1, "c": 1}

    run(test())


def test_it_goes_on_with_another_lease_where_one_has_ended(etcd: Cluster) -> None:
    async def test() -> None:
        async with _fleet(etcd) as (client, _), Busy(etcd.urls) as busy:
            await driving.start(client, KEYS, _rollout(1))
            assert (await _drive(busy)).phase is RolloutPhase.DONE
            assert busy.often == 2

    run(test())


def test_it_is_paused_and_somebody_else_goes_on(etcd: Cluster) -> None:
    async def test() -> None:
        async with _fleet(etcd) as (client, nodes):
            nodes.states["a", 1] = NodeState.APPLYING
            await driving.start(client, KEYS, _rollout(1))
            first = asyncio.create_task(_drive(client))
            await _until(client, {"a": 1})
            with pytest.raises(NotNow, match="is under way, at stage 1 of 2"):
                await driving.start(client, KEYS, _rollout(2))
            await driving.change(client, KEYS, lambda rollout: rollout.paused())
            assert (await first).phase is RolloutPhase.PAUSED
            await driving.change(client, KEYS, lambda rollout: rollout.resumed())
            killed = asyncio.create_task(_drive(client))
            await _locked(client)
            killed.cancel()
            with suppress(asyncio.CancelledError):
                await killed
            del nodes.states["a", 1]
            await nodes.say("a", Want(1, 1))
            both = await asyncio.gather(_drive(client), _drive(client))  # one drives, one looks on
            assert [one.phase for one in both] == [RolloutPhase.DONE] * 2
            assert await _releases(client) == {"a": 1, "b": 1, "c": 1}

    run(test())


@pytest.mark.parametrize("told", [False, True], ids=["before", "after"])
def test_whoever_dies_at_any_step_another_goes_on(etcd: Cluster, told: bool) -> None:
    """Its lease is over then, as it is ten seconds after a kill."""

    async def dies(at: int) -> bool:
        async with _fleet(etcd) as (client, _):
            async with Dying(etcd.urls, at, told=told) as dying:
                with suppress(Died):
                    await driving.start(dying, KEYS, _rollout(1))
                    await _drive(dying)
            if (await snapshot(client, KEYS)).rollout is None:
                await driving.start(client, KEYS, _rollout(1))
            assert (await _drive(client)).phase is RolloutPhase.DONE
            assert await _releases(client) == {"a": 1, "b": 1, "c": 1}
            return dying.died

    async def test() -> None:
        steps = 0
        while await dies(steps):
            steps += 1
        assert steps >= 6  # it begins, takes the lock, moves the nodes of two stages, goes to the second, and ends

    run(test())


def test_etcd_goes_away_in_the_middle(etcd: Cluster) -> None:
    async def test() -> None:
        async with _fleet(etcd) as (client, nodes):
            nodes.states["a", 1] = NodeState.APPLYING
            await driving.start(client, KEYS, _rollout(1))
            told: list[str] = []
            task = asyncio.create_task(driving.drive(client, KEYS, "a test", lambda _: None, told.append))
            await _until(client, {"a": 1})
            (member,) = etcd.members
            member.end()
            await coming(lambda: told, "it is told that etcd is away")
            await asyncio.to_thread(etcd.restart, member)
            del nodes.states["a", 1]
            await nodes.say("a", Want(1, 1))
            ended = (await task).rollout
            assert ended is not None
            assert ended.phase is RolloutPhase.DONE

    run(test())


def test_nodes_that_followed_more_than_there_is_are_adopted(etcd: Cluster) -> None:
    async def test() -> None:
        async with Client(etcd.urls) as client:
            await delete(client, KEYS.all, below=True)
            for node, epoch, state, followed in (
                ("a", 3, NodeState.REFUSED, 9),
                ("b", 4, NodeState.APPLIED, 4),
                ("c", 5, NodeState.REFUSED, 7),
                ("d", 6, NodeState.REFUSED, 6),  # the release is another one of that number
            ):
                await client.put(KEYS.want(node), Want(epoch, 1).text.encode())
                said = Status(Want(epoch, 1), state, 2, followed=followed)
                await client.put(KEYS.status(node), said.text.encode())
            unknown = Status(Want(2, 2), NodeState.APPLIED, 2, followed=2)  # to an etcd that wants nothing of it
            await client.put(KEYS.status("e"), unknown.text.encode())
            with pytest.raises(FleetError, match="fleet shop knows no node x"):
                await driving.adopt(client, KEYS, {"a", "x"})
            assert await driving.adopt(client, KEYS, {"a", "b"}) == {"a": Want(10, 1)}
            assert await driving.adopt(client, KEYS, {"c"}, keep=True) == {"c": Want(8, 0)}
            assert await driving.adopt(client, KEYS, set()) == {"d": Want(7, 1), "e": Want(3, 0)}
            assert await driving.adopt(client, KEYS, set()) == {}
            seen = await snapshot(client, KEYS)
            assert [one.want for one in seen.nodes.values()] == [
                Want(10, 1),
                Want(4, 1),
                Want(8, 0),
                Want(7, 1),
                Want(3, 0),
            ]

    run(test())


async def _until(client: Client, wanted: dict[str, int]) -> None:
    """Wait until the nodes shall have these releases."""
    async with aclosing(client.follow(KEYS.wants)) as told:
        async for _ in told:
            if await _releases(client) == wanted:
                return


async def _locked(client: Client) -> None:
    """Wait until somebody drives."""
    async with aclosing(client.follow(KEYS.lock)) as told:
        async for _ in told:
            if await client.get(KEYS.lock) is not None:
                return
