"""Reading, writing and transactions, against real members."""

from __future__ import annotations

import pytest

from support.etcd import Cluster, delete, run
from svcc.etcd.client import Client
from svcc.etcd.errors import NoLease, Refused, TooLarge
from svcc.etcd.values import (
    MOST_OPERATIONS,
    Compare,
    Delete,
    Entry,
    Field,
    Get,
    Lease,
    Put,
    Relation,
    absent,
    as_read,
    has_value,
    leased,
    present,
    unchanged,
)


def test_a_key_is_put_read_and_deleted(shared: Cluster, prefix: str) -> None:
    async def keys() -> None:
        async with Client(shared.urls) as etcd:
            assert await etcd.get(prefix) is None
            first = await etcd.put(prefix, b"one")
            second = await etcd.put(prefix, bytes(range(256)))
            assert await etcd.get(prefix) == Entry(prefix, bytes(range(256)), first, second, version=2)
            await delete(etcd, prefix)
            await delete(etcd, prefix)  # no error where there is none
            assert await etcd.get(prefix) is None

    run(keys())


def test_keys_need_be_no_text(shared: Cluster, prefix: str) -> None:
    key = prefix + b"\xff\xfe\0".decode("utf-8", "surrogateescape")

    async def keys() -> None:
        async with Client(shared.urls) as etcd:
            await etcd.put(key, b"")
            assert [entry.key for entry in (await etcd.list(prefix)).entries] == [key]
            assert [entry.key for entry in (await etcd.list(key[:-1])).entries] == [key]

    run(keys())


def test_a_listing_is_of_one_revision_however_many_pages_it_has(shared: Cluster, prefix: str) -> None:
    names = [f"{prefix}{number:05}" for number in range(2500)]

    async def listing() -> None:
        async with Client(shared.urls) as etcd:
            for start in range(0, len(names), MOST_OPERATIONS):
                await etcd.transact((), [Put(name, b"x" * 400) for name in names[start : start + MOST_OPERATIONS]])
            await etcd.put(prefix[:-1] + chr(ord(prefix[-1]) + 1), b"the first key behind them")
            found = await etcd.list(prefix)
            assert [entry.key for entry in found.entries] == names
            assert max(entry.mod_revision for entry in found.entries) <= found.revision
            await delete(etcd, prefix, below=True)
            assert (await etcd.list(prefix)).entries == ()

    run(listing())


def test_large_values_come_in_smaller_pages(shared: Cluster, prefix: str) -> None:
    large = b"\xaa" * (1536 * 1024 - 200)

    async def listing() -> None:
        async with Client(shared.urls) as etcd:
            for number in range(10):
                await etcd.put(f"{prefix}{number:02}", large)
            found = await etcd.list(prefix)
            assert [entry.value for entry in found.entries] == [large] * 10
            await delete(etcd, prefix, below=True)

    run(listing())


def test_more_than_etcd_takes_is_refused_in_its_words(shared: Cluster, prefix: str) -> None:
    async def too_much() -> None:
        async with Client(shared.urls) as etcd:
            for size in (1536 * 1024, 3 * 1024 * 1024):
                with pytest.raises(TooLarge, match=r"too large|larger than max"):
                    await etcd.put(prefix, b"x" * size)
            puts = [Put(f"{prefix}{number}", b"") for number in range(MOST_OPERATIONS + 1)]
            with pytest.raises(TooLarge, match="too many operations"):
                await etcd.transact((), puts)
            assert (await etcd.transact((), puts[1:])).succeeded
            with pytest.raises(Refused, match="key is not provided"):
                await etcd.put("", b"")

    run(too_much())


def test_a_transaction_does_the_one_or_the_other(shared: Cluster, prefix: str) -> None:
    a, b = f"{prefix}a", f"{prefix}b"

    async def transactions() -> None:
        async with Client(shared.urls) as etcd:
            done = await etcd.transact([absent(a), absent(b)], [Put(a, b"1"), Put(b, b"2")])
            assert done.succeeded
            read = await etcd.get(a)
            assert read is not None
            assert read.mod_revision == done.revision
            refused = await etcd.transact([absent(a)], [Put(a, b"3")], [Get(a), Get(prefix, prefix=True)])
            assert not refused.succeeded
            assert [[entry.key for entry in found] for found in refused.found] == [[a], [a, b]]
            holding = [unchanged(read), as_read(a, read), as_read(f"{prefix}c", None), has_value(b, b"2"), present(b)]
            done = await etcd.transact(holding, [Delete(b), Get(b), Put(a, b"4")])
            assert (done.succeeded, done.found) == (True, ((), (), ()))
            assert not (await etcd.transact([unchanged(read)], [Put(a, b"5")])).succeeded
            assert (await etcd.transact((), [Delete(prefix, prefix=True)])).succeeded
            assert (await etcd.list(prefix)).entries == ()

    run(transactions())


@pytest.mark.parametrize("field", Field)
@pytest.mark.parametrize("relation", Relation)
def test_comparisons_are_etcds(shared: Cluster, prefix: str, field: Field, relation: Relation) -> None:
    holding = {Relation.EQUAL: (0,), Relation.NOT_EQUAL: (-1, 1), Relation.GREATER: (-1,), Relation.LESS: (1,)}

    async def comparisons() -> None:
        async with Client(shared.urls) as etcd:
            lease = await etcd.grant(60)
            await etcd.put(prefix, b"\x05", lease)
            entry = await etcd.get(prefix)
            assert entry is not None
            numbers = {
                Field.VERSION: entry.version,
                Field.CREATED: entry.create_revision,
                Field.MODIFIED: entry.mod_revision,
                Field.LEASE: lease.id,
            }
            for step in (-1, 0, 1):
                operand = bytes([5 + step]) if field is Field.VALUE else numbers[field] + step
                done = await etcd.transact([Compare(prefix, field, relation, operand)], ())
                assert done.succeeded == (step in holding[relation])
            await etcd.revoke(lease)

    run(comparisons())


def test_a_key_of_a_lease_ends_with_it(shared: Cluster, prefix: str) -> None:
    async def leases() -> None:
        async with Client(shared.urls) as etcd:
            lease = await etcd.grant(3600)
            await etcd.put(prefix, b"", lease)
            entry = await etcd.get(prefix)
            assert entry is not None
            assert entry.lease == lease.id
            assert (await etcd.transact([leased(prefix, lease)], ())).succeeded
            assert await etcd.keep_alive(lease) == lease.ttl == 3600
            await etcd.revoke(lease)
            await etcd.revoke(lease)
            assert await etcd.get(prefix) is None
            for gone in (lease, Lease(77, 10)):
                with pytest.raises(NoLease):
                    await etcd.keep_alive(gone)
                with pytest.raises(NoLease):
                    await etcd.put(prefix, b"", gone)

    run(leases())
