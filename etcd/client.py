"""The client: what one asks of etcd, one method for each."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import Self

from svcc.etcd.errors import EtcdError
from svcc.etcd.leases import Held
from svcc.etcd.values import (
    Changes,
    Compare,
    Credentials,
    Entry,
    Lease,
    Listing,
    Operation,
    Outcome,
    Tls,
)


class Client:
    """etcd, by the addresses of its members: ``async with Client(["http://127.0.0.1:2379"]) as etcd``.

    Any member may be asked; the next one is where one does not answer within ``timeout`` seconds. All reads are
    linearizable. Every method raises subclasses of :class:`svcc.etcd.errors.EtcdError`, and nothing else of etcd's or the
    network's. May be used by many tasks of one loop at once.
    """

    def __init__(
        self,
        members: Sequence[str],
        *,
        credentials: Credentials | None = None,
        tls: Tls | None = None,
        timeout: float = 5.0,
    ) -> None:
        """Raises :class:`ValueError` for addresses that are no URLs of HTTP, and :class:`OSError` for files of ``tls``
        that cannot be read."""
        raise NotImplementedError

    async def __aenter__(self) -> Self:
        raise NotImplementedError

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        raise NotImplementedError

    async def get(self, key: str) -> Entry | None:
        """What a key holds now."""
        raise NotImplementedError

    async def list(self, prefix: str) -> Listing:
        """All keys that begin with a prefix, all at one revision (read in pages)."""
        raise NotImplementedError

    async def put(self, key: str, value: bytes, lease: Lease | None = None) -> int:
        """Give a key a value; the revision at which it has it. Put twice where an answer was lost."""
        raise NotImplementedError

    async def delete(self, key: str) -> bool:
        """Delete a key; whether there was one."""
        raise NotImplementedError

    async def delete_prefix(self, prefix: str) -> int:
        """Delete all keys that begin with a prefix; how many there were."""
        raise NotImplementedError

    async def transact(
        self, compares: Sequence[Compare], then: Sequence[Operation], otherwise: Sequence[Operation] = ()
    ) -> Outcome:
        """Do ``then`` where all comparisons hold, else ``otherwise``: all of it at one revision, or nothing.

        Raises :class:`svcc.etcd.errors.Uncertain` where the answer was lost: it may have taken place.
        """
        raise NotImplementedError

    async def grant(self, ttl: int) -> Lease:
        """A lease of so many seconds, which nobody keeps alive yet."""
        raise NotImplementedError

    async def keep_alive(self, lease: Lease) -> int:
        """Let a lease begin anew; the seconds that it has. Raises :class:`svcc.etcd.errors.NoLease` when it has ended."""
        raise NotImplementedError

    async def revoke(self, lease: Lease) -> None:
        """End a lease, and delete its keys; no error where it has ended."""
        raise NotImplementedError

    def hold(self, ttl: int) -> AbstractAsyncContextManager[Held]:
        """A lease that is kept alive in the background for as long as the block runs, and revoked after it."""
        raise NotImplementedError

    def watch(self, prefix: str, from_revision: int) -> AsyncGenerator[Changes]:
        """Changes of keys that begin with a prefix, from a revision on, at one member, until that does not work any more.

        It ends by an error only: :class:`Compacted`, :class:`Restored`, :class:`AnotherCluster`, :class:`Unreachable` (the
        member ended, hangs, or lost its leader), :class:`NotAllowed`. Close it (:func:`contextlib.aclosing`).
        """
        raise NotImplementedError

    def follow(
        self, prefix: str, *, trouble: Callable[[EtcdError], None] = lambda _: None
    ) -> AsyncGenerator[Listing | Changes]:
        """All keys that begin with a prefix, and then their changes, for ever: a :class:`Listing` first, then
        :class:`Changes`; and a listing again, which replaces what was told before, whenever a watch ends and
        something is different from what was told.

        The first listing raises what it raises (:class:`Refused`, :class:`Unreachable`). After it nothing is raised:
        ``trouble`` is told, and it is tried again until it works. All keys are read again every 30 s, to be right.
        Close it (:func:`contextlib.aclosing`).
        """
        raise NotImplementedError
