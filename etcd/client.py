"""The client, with a method for each kind of request."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Self

from svcc.etcd import following, leases, reading, watching, wire
from svcc.etcd.errors import EtcdError
from svcc.etcd.leases import Held
from svcc.etcd.members import Members
from svcc.etcd.values import (
    Changes,
    Compare,
    Credentials,
    Entry,
    Lease,
    Listing,
    Operation,
    Outcome,
    Put,
    Tls,
)


class Client:
    """A client of etcd, by the addresses of its members: ``async with Client(["http://127.0.0.1:2379"]) as etcd``.

    Any member may be asked; where one does not answer within ``timeout`` seconds, the next one is asked. All reads are
    linearizable. Every method raises subclasses of :class:`svcc.etcd.errors.EtcdError`, and no other errors of etcd or
    the network. Many tasks of one loop may use it at once.
    """

    def __init__(
        self,
        members: Sequence[str],
        *,
        credentials: Credentials | None = None,
        tls: Tls | None = None,
        timeout: float = 5.0,
    ) -> None:
        """Raises :class:`ValueError` where an address is not one of a member, :class:`OSError` for files of ``tls``."""
        self._members = Members(members, credentials, tls, timeout)

    async def __aenter__(self) -> Self:
        self._members.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._members.close()

    async def get(self, key: str, *, patience: float | None = None) -> Entry | None:
        """Return what a key holds now; None where there is no such key.

        ``patience``: seconds after which the next member is asked as well, each of them once; None: the next one is
        asked when one has not answered within the client's ``timeout``.
        """
        request = wire.single_key(key)
        if patience is None:
            answer = await self._members.ask("kv/range", request)
        else:
            answer = await self._members.ask_soon("kv/range", request, patience)
        found = wire.entries(answer)
        return found[0] if found else None

    async def list(self, prefix: str) -> Listing:
        """Return all keys that begin with a prefix, all at one revision (read in pages).

        Raises :class:`svcc.etcd.errors.TooLarge` where they are more than 256 MiB.
        """
        return await reading.listing(self._members, prefix)

    async def names(self, prefix: str) -> tuple[str, ...]:
        """Return the keys that begin with a prefix, without their values, all at one revision (read in pages)."""
        found = await reading.listing(self._members, prefix, names=True)
        return tuple(entry.key for entry in found.entries)

    async def put(self, key: str, value: bytes, lease: Lease | None = None) -> int:
        """Give a key a value; return the revision at which it has it. Where an answer is lost, the value is put
        again."""
        return wire.header(await self._members.ask("kv/put", wire.put(Put(key, value, lease)))).revision

    async def transact(
        self, compares: Sequence[Compare], then: Sequence[Operation], otherwise: Sequence[Operation] = ()
    ) -> Outcome:
        """Do ``then`` where all comparisons hold, else ``otherwise``: all operations at one revision, or none.

        Raises :class:`svcc.etcd.errors.Uncertain` where the answer was lost: the transaction may have taken place.
        """
        answer = await self._members.ask("kv/txn", wire.transaction(compares, then, otherwise), once=True)
        succeeded = answer.flag("succeeded")
        found = wire.entries_found(answer, then if succeeded else otherwise)
        return Outcome(succeeded, wire.header(answer).revision, found)

    async def grant(self, ttl: int) -> Lease:
        """Return a new lease of ``ttl`` seconds, which nobody keeps alive yet."""
        return await leases.grant(self._members, ttl)

    async def keep_alive(self, lease: Lease) -> int:
        """Keep a lease alive: its time begins anew. Return its seconds.

        Raises :class:`svcc.etcd.errors.NoLease` when it has ended.
        """
        return await leases.keep_alive(self._members, lease)

    async def revoke(self, lease: Lease) -> None:
        """End a lease, and delete its keys; no error where it has ended already."""
        await leases.revoke(self._members, lease)

    @asynccontextmanager
    async def hold(self, ttl: int) -> AsyncIterator[Held]:
        """Hold a lease of ``ttl`` seconds inside the ``with`` block: it is kept alive in the background, and revoked at
        the end."""
        async with leases.hold(self._members, ttl) as held:
            yield held

    def watch(self, prefix: str, from_revision: int) -> AsyncGenerator[Changes, None]:
        """Yield changes of keys that begin with a prefix, from a revision on, as one member reports them as long as it
        can.

        It ends only by an error: :class:`Compacted`, :class:`Restored`, :class:`AnotherCluster`, :class:`Unreachable`
        (the member ended, hangs, or lost its leader), :class:`NotAllowed`. Close it (:func:`contextlib.aclosing`).
        """
        return watching.watch(self._members, self._members.preferred, prefix, from_revision)

    def follow(
        self,
        prefix: str,
        *,
        trouble: Callable[[EtcdError], None] = lambda _: None,
        reread: float = following.REREAD,
        patience: float | None = None,
    ) -> AsyncGenerator[Listing | Changes, None]:
        """Yield all keys that begin with a prefix, and then their changes, without end.

        A :class:`Listing` comes first, then :class:`Changes`. Another listing, which replaces all before it, comes
        whenever keys differ from what was yielded, after a watch ended or keys were read again.

        Before the first listing, its errors are raised (:class:`Refused`, :class:`Unreachable`). After it nothing is
        raised: ``trouble`` is called, and everything is tried again until it works. All keys are read again every
        ``reread`` seconds, as a safeguard. ``patience``: seconds after which a silent member is asked whether it is
        alive, and within which it has to answer; None: the client's ``timeout``. Close it
        (:func:`contextlib.aclosing`).
        """
        return following.follow(self._members, prefix, trouble, reread, patience)
