"""Following a prefix, whatever becomes of the members: what is told is what is there."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from pathlib import Path

import pytest

from support import etcd as support
from support.etcd import Cluster, Follower, cluster, coming, delete, run
from support.waiting import LID
from svcc.etcd.client import Client
from svcc.etcd.errors import AnotherCluster, Compacted, NoLease, Restored, Unreachable
from svcc.etcd.values import Change, Changes, Delete, Entry, Listing, Put

#: Seconds in which a member has to answer; short where a test waits for one that does not.
_SHORT = 2.0


def test_a_listing_is_followed_by_changes(shared: Cluster, prefix: str) -> None:
    a, b = f"{prefix}a", f"{prefix}b"

    async def following() -> None:
        async with Client(shared.urls) as etcd:
            await etcd.put(a, b"1")
            follower = Follower(etcd, prefix)
            await follower.until_told({a: b"1"})
            await etcd.put("/elsewhere", b"")
            done = await etcd.transact((), [Put(a, b"2"), Put(b, b"3")])
            await follower.until_told({a: b"2", b: b"3"})
            gone = await etcd.transact((), [Delete(prefix, prefix=True)])
            await follower.until_told({})
            first, *changes = follower.news
            assert isinstance(first, Listing)
            assert [one.revision for one in changes] == [done.revision, gone.revision]
            deleted = tuple(Change(key, None, gone.revision) for key in (a, b))
            assert changes[-1] == Changes(deleted, gone.revision)
            assert follower.troubles == []
            await follower.close()

    run(following())


def test_changes_of_the_largest_size_come_in_order(shared: Cluster, prefix: str) -> None:
    async def following() -> None:
        async with Client(shared.urls) as etcd:
            follower = Follower(etcd, prefix)
            await follower.until(lambda: follower.news, "a listing")
            for number in range(4):
                await etcd.put(f"{prefix}{number}", bytes([number]) * (1536 * 1024 - 200))
            await follower.until(lambda: len(follower.told()) == 4, "all changes")
            await delete(etcd, prefix, below=True)
            await follower.until_told({})
            assert follower.troubles == []
            await follower.close()

    run(following())


def test_a_watch_from_a_compacted_revision_is_told_so(shared: Cluster, prefix: str) -> None:
    async def watching() -> None:
        async with Client(shared.urls) as etcd:
            await etcd.put(prefix, b"1")
            await etcd.put(prefix, b"2")
            revision = support.compact(shared.urls[0])
            watch = etcd.watch(prefix, revision - 1)
            with pytest.raises(Compacted) as compacted:
                await anext(watch)
            assert compacted.value.revision == revision
            assert compacted.value.member == shared.urls[0]

    run(watching())


def test_a_watch_from_a_revision_that_is_not_there_yet_is_not_silent(shared: Cluster, prefix: str) -> None:
    async def watching() -> None:
        async with Client(shared.urls) as etcd:
            with pytest.raises(Restored):
                await anext(etcd.watch(prefix, 1_000_000))

    run(watching())


def test_a_member_that_was_away_and_compacted_is_followed_on(tmp_path: Path) -> None:
    with cluster(tmp_path) as made:

        async def following() -> None:
            member = made.members[0]
            async with Client(made.urls, timeout=_SHORT) as etcd, Client(made.urls) as other:
                await etcd.put("/a/1", b"1")
                follower = Follower(etcd, "/a/")
                await follower.until_told({"/a/1": b"1"})
                member.end()
                await follower.until(lambda: follower.troubles, "the follower sees that the member is gone")
                made.restart(member)
                await other.put("/a/2", b"2")
                await delete(other, "/a/1")
                support.compact(made.urls[0])
                await follower.until_told({"/a/2": b"2"})
                assert all(isinstance(one, (Unreachable, Compacted)) for one in follower.troubles)
                await follower.close()

        run(following())


def test_restored_and_wiped_data_are_told(tmp_path: Path) -> None:
    """The address and the cluster's number stay; revisions go back, or go on from elsewhere."""
    with cluster(tmp_path / "cluster") as made:

        async def following() -> None:
            member = made.members[0]
            async with Client(made.urls, timeout=_SHORT) as etcd:
                await etcd.put("/a/1", b"kept")
                member.end(signal.SIGTERM)
                support.backed_up(member, tmp_path / "backup")
                made.restart(member)
                follower = Follower(etcd, "/a/")
                for number in range(5):
                    await etcd.put("/a/2", b"%d" % number)
                await follower.until_told({"/a/1": b"kept", "/a/2": b"4"})
                member.end()
                support.restored(member, tmp_path / "backup")
                made.restart(member)
                await follower.until_told({"/a/1": b"kept"})
                assert any(isinstance(one, Restored) for one in follower.troubles)
                follower.troubles.clear()
                member.end()
                support.wiped(member)
                made.restart(member)
                await follower.until_told({})
                assert any(isinstance(one, Restored) for one in follower.troubles)
                await etcd.put("/a/3", b"new")
                await follower.until_told({"/a/3": b"new"})
                await follower.close()

        run(following())


def test_another_cluster_at_the_same_address_is_told(tmp_path: Path) -> None:
    with cluster(tmp_path) as made:

        async def following() -> None:
            member = made.members[0]
            async with Client(made.urls, timeout=_SHORT) as etcd:
                await etcd.put("/a/1", b"1")
                follower = Follower(etcd, "/a/")
                await follower.until_told({"/a/1": b"1"})
                member.end()
                support.wiped(member)
                made.start("--initial-cluster-token", "another")
                await follower.until_told({})
                assert any(isinstance(one, AnotherCluster) for one in follower.troubles)
                await follower.close()
                made.end()
                support.wiped(member)
                made.start()
                with pytest.raises(AnotherCluster):
                    await etcd.get("/a/1")
                assert await etcd.get("/a/1") is None

        run(following())


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with cluster(tmp_path_factory.mktemp("three"), size=3) as made:
        yield made


@pytest.fixture
def three(started: Cluster) -> Iterator[Cluster]:
    """Three members; whatever becomes of them in a test, the next one has all of them serving."""
    yield started
    started.mend()


@pytest.mark.parametrize("trouble", ["killed", "frozen"])
def test_a_leader_that_dies_or_hangs_is_followed_by_the_next(three: Cluster, prefix: str, trouble: str) -> None:
    async def following() -> None:
        leader = three.leader()
        first = [leader.url, *(url for url in three.urls if url != leader.url)]
        limit = _SHORT if trouble == "frozen" else LID  # a busy leader may be left for another member before it hangs
        async with Client(first, timeout=limit) as etcd, Client(first, timeout=limit) as other:
            await etcd.put(prefix, b"1")
            follower = Follower(etcd, prefix)
            await follower.until_told({prefix: b"1"})
            leader.end() if trouble == "killed" else leader.freeze()
            await other.put(prefix, b"2")
            await follower.until_told({prefix: b"2"})
            assert all(isinstance(one, Unreachable) for one in follower.troubles)
            assert trouble == "frozen" or [one.member for one in follower.troubles][:1] == [leader.url]
            await follower.close()

    run(following())


def test_a_member_without_a_leader_is_left(three: Cluster, prefix: str) -> None:
    """Two of three are gone: the third says so, and nothing is told until there are two again."""

    async def following() -> None:
        alone, *others = three.members
        async with Client([alone.url], timeout=1) as etcd, Client([alone.url]) as patient:
            await patient.put(prefix, b"1")
            follower = Follower(etcd, prefix)
            await follower.until_told({prefix: b"1"})
            for member in others:
                member.end()
            await follower.until(lambda: follower.troubles, "the follower hears that there is no leader")
            assert isinstance(follower.troubles[0], Unreachable)
            with pytest.raises(Unreachable):
                await etcd.put(prefix, b"2")
            with pytest.raises(Unreachable):
                await etcd.grant(10)
            three.mend()
            await patient.put(prefix, b"3")
            await follower.until_told({prefix: b"3"})
            await follower.close()

    run(following())


def test_a_lease_is_held_as_long_as_its_block(three: Cluster, prefix: str) -> None:
    """It outlives its leader, and ends where nobody hears it any more, or somebody else ends it."""

    async def holding() -> None:
        async with Client(three.urls, timeout=LID) as etcd:
            async with etcd.hold(60) as held:
                await etcd.put(prefix, b"", held.lease)
                leader = three.leader()
                await asyncio.to_thread(leader.end)
                revision = await etcd.put(f"{prefix}more", b"")
                await asyncio.to_thread(three.restart, leader)
                assert not held.lost
                entry = await etcd.get(prefix)
                assert entry is not None
                assert entry.mod_revision < revision
            assert await etcd.get(prefix) is None
            async with etcd.hold(1) as held:
                await etcd.revoke(held.lease)
                await held.until_lost()
                with pytest.raises(NoLease):
                    await etcd.keep_alive(held.lease)

    run(holding())


def test_a_lease_is_lost_when_nobody_can_be_asked(tmp_path: Path) -> None:
    with cluster(tmp_path) as made:

        async def holding() -> None:
            async with Client(made.urls, timeout=_SHORT) as etcd, etcd.hold(2) as held:
                made.members[0].freeze()
                await held.until_lost()
                assert held.lost

        run(holding())


def test_who_has_patience_for_no_member_is_answered_although_one_hangs(three: Cluster, prefix: str) -> None:
    """Leases are kept so: one that hangs is asked first, and its answer would come after the lease's end."""

    async def asking() -> None:
        leader = three.leader()
        other = next(member for member in three.members if member is not leader)
        members = [other.url, leader.url]
        async with Client(members, timeout=3600) as etcd, Client(members, timeout=3600) as more:
            await etcd.put(prefix, b"1")
            async with more.hold(10) as held:
                other.freeze()
                entry = await etcd.get(prefix, patience=0.01)
                assert entry is not None
                until = held.until
                await coming(lambda: held.lost or held.until > until, "it is kept alive")
                assert not held.lost

    run(asking())


def test_who_follows_with_little_patience_leaves_a_member_that_hangs(three: Cluster, prefix: str) -> None:
    async def following() -> None:
        leader = three.leader()
        other = next(member for member in three.members if member is not leader)
        async with Client([leader.url]) as more, Client([other.url, leader.url], timeout=3600) as etcd:
            told = etcd.follow(prefix, reread=3600, patience=0.5)
            async with aclosing(told):
                assert isinstance(await anext(told), Listing)
                other.freeze()
                await more.put(prefix, b"1")
                assert [entry.value for entry in await _next_entries(told)] == [b"1"]

    run(following())


async def _next_entries(told: AsyncGenerator[Listing | Changes, None]) -> list[Entry]:
    news = await anext(told)
    return [*news.entries] if isinstance(news, Listing) else [one.entry for one in news.changes if one.entry]
