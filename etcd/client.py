"""The client: what one asks of etcd, one method for each."""

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
    """etcd, by the addresses of its members: ``async with Client(["http://127.0.0.1:2379"]) as etcd``.

    Any member may be asked; the next one is where one does not answer within ``timeout`` seconds. All reads are
    linearizable. Every method raises subclasses of :class:`svcc.etcd.errors.EtcdError`, and nothing else of etcd's or
    the network's. May be used by many tasks of one loop at once.
    """

    def __init__(
        self,
        members: Sequence[str],
        *,
        credentials: Credentials | None = None,
        tls: Tls | None = None,
        timeout: float = 5.0,
    ) -> None:
        """Raises :class:`ValueError` for what is no address of a member, and :class:`OSError` for files of ``tls``."""
        self._members = Members(members, credentials, tls, timeout)

    async def __aenter__(self) -> Self:
        self._members.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._members.close()

    async def get(self, key: str, *, patience: float | None = None) -> Entry | None:
        """What a key holds now.

        ``patience``: seconds after which the next member is asked as well, and each once; None: the next is asked when
        one has not answered within the client's ``timeout``.
        """
        request = wire.one(key)
        if patience is None:
            answer = await self._members.ask("kv/range", request)
        else:
            answer = await self._members.ask_soon("kv/range", request, patience)
        found = wire.entries(answer)
        return found[0] if found else None

    async def list(self, prefix: str) -> Listing:
        """All keys that begin with a prefix, all at one revision (read in pages).

        Raises :class:`svcc.etcd.errors.TooLarge` where they are more than 256 MiB.
        """
        return await reading.listing(self._members, prefix)

    async def names(self, prefix: str) -> tuple[str, ...]:
        """The keys that begin with a prefix, without their values, all at one revision (read in pages)."""
        found = await reading.listing(self._members, prefix, names=True)
        return tuple(entry.key for entry in found.entries)

    async def put(self, key: str, value: bytes, lease: Lease | None = None) -> int:
        """Give a key a value; the revision at which it has it. Put twice where an answer was lost."""
        return wire.header(await self._members.ask("kv/put", wire.put(Put(key, value, lease)))).revision

    async def transact(
        self, compares: Sequence[Compare], then: Sequence[Operation], otherwise: Sequence[Operation] = ()
    ) -> Outcome:
        """Do ``then`` where all comparisons hold, else ``otherwise``: all of it at one revision, or nothing.

        Raises :class:`svcc.etcd.errors.Uncertain` where the answer was lost: it may have taken place.
        """
        answer = await self._members.ask("kv/txn", wire.transaction(compares, then, otherwise), once=True)
        succeeded = answer.flag("succeeded")
        found = wire.found(answer, then if succeeded else otherwise)
        return Outcome(succeeded, wire.header(answer).revision, found)

    async def grant(self, ttl: int) -> Lease:
        """A lease of so many seconds, which nobody keeps alive yet."""
        return await leases.grant(self._members, ttl)

    async def keep_alive(self, lease: Lease) -> int:
        """Let a lease begin anew; the seconds that it has.

        Raises :class:`svcc.etcd.errors.NoLease` when it has ended.
        """
        return await leases.keep_alive(self._members, lease)

    async def revoke(self, lease: Lease) -> None:
        """End a lease, and delete its keys; no error where it has ended."""
        await leases.revoke(self._members, lease)

    @asynccontextmanager
    async def hold(self, ttl: int) -> AsyncIterator[Held]:
        """A lease that is kept alive in the background for as long as the block runs, and revoked after it."""
        async with leases.hold(self._members, ttl) as held:
            yield held

    def watch(self, prefix: str, from_revision: int) -> AsyncGenerator[Changes, None]:
        """Changes of keys that begin with a prefix, from a revision on, as one member tells them for as long as it can.

        It ends by an error only: :class:`Compacted`, :class:`Restored`, :class:`AnotherCluster`, :class:`Unreachable`
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
        """All keys that begin with a prefix, and then their changes, for ever: a :class:`Listing` first, then
        :class:`Changes`; and a listing again, which replaces what was told before, whenever a watch ends and
        something is different from what was told.

        The first listing raises what it raises (:class:`Refused`, :class:`Unreachable`). After it nothing is raised:
        ``trouble`` is told, and it is tried again until it works. All keys are read again every ``reread`` seconds, to
        be right. ``patience``: seconds after which a member that tells nothing is asked whether it is there, and has to
        say so; None: those of ``timeout``. Close it (:func:`contextlib.aclosing`).
        """
        return following.follow(self._members, prefix, trouble, reread, patience)
