"""Leases: grant, keep alive and revoke them; or hold one, which is kept alive in the background."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from svcc.etcd.errors import EtcdError, NoLease
from svcc.etcd.members import Members, pause
from svcc.etcd.values import Lease
from svcc.etcd.wire import Request, lease

#: How many times in its seconds a lease is kept alive; and the part of its seconds after which another member is asked.
_OFTEN, _TRIES = 3, 8


async def grant(members: Members, ttl: int) -> Lease:
    """Return a new lease of ``ttl`` seconds."""
    return lease(await members.ask("lease/grant", {"TTL": str(ttl)}))


async def keep_alive(members: Members, given: Lease, patience: float | None = None) -> int:
    """Keep a lease alive: its time begins anew. Return its seconds. ``patience``: as of
    :meth:`svcc.etcd.client.Client.get`.

    Raises :class:`NoLease`.
    """
    path = "lease/keepalive"
    request: Request = {"ID": str(given.id)}
    if patience is None:
        answer = await members.ask(path, request)
    else:
        answer = await members.ask_soon(path, request, patience)
    if (ttl := answer.number("TTL")) <= 0:
        raise NoLease(f"lease {given.id:x} has ended", member=answer.member)
    return ttl


async def revoke(members: Members, given: Lease) -> None:
    """End a lease, and delete its keys; no error where it has ended already."""
    with suppress(NoLease):
        await members.ask("lease/revoke", {"ID": str(given.id)})


class Held:
    """A lease that is kept alive, even while some members hang.

    It is lost when it is revoked, or etcd cannot be reached for as long as it lasts.
    """

    def __init__(self, lease: Lease) -> None:
        self.lease = lease
        self.until = 0.0  # until when it certainly lasts, by the loop's clock
        self._lost = asyncio.Event()

    @property
    def lost(self) -> bool:
        """Whether the lease has ended, or may have: nobody answered for as long as it lasts."""
        return self._lost.is_set()

    async def until_lost(self) -> None:
        """Wait until the lease is lost; return at once where it is."""
        await self._lost.wait()

    async def keep(self, members: Members, begun: float) -> None:
        """Keep the lease alive, three times in its seconds, until it is lost. ``begun``: when it was asked for, by the
        loop's clock."""
        loop = asyncio.get_running_loop()
        with suppress(NoLease, TimeoutError):
            while True:
                self.until = begun + self.lease.ttl
                async with asyncio.timeout_at(self.until):
                    await asyncio.sleep(max(0, begun + self.lease.ttl / _OFTEN - loop.time()))
                    begun = await self._kept(members)
        self._lost.set()

    async def _kept(self, members: Members) -> float:
        """Keep the lease alive once, and try until that succeeds. Return when its seconds began anew."""
        tries = 0
        while True:
            asked = asyncio.get_running_loop().time()
            try:
                await keep_alive(members, self.lease, self.lease.ttl / _TRIES)
                return asked
            except NoLease:
                raise
            except EtcdError:
                tries += 1
                await asyncio.sleep(pause(tries))


@asynccontextmanager
async def hold(members: Members, ttl: int) -> AsyncIterator[Held]:
    """Yield a lease that is kept alive inside the ``with`` block, and revoked after it where etcd can be reached."""
    asked = asyncio.get_running_loop().time()
    held = Held(await grant(members, ttl))
    keeper = asyncio.create_task(held.keep(members, asked))
    try:
        yield held
    finally:
        keeper.cancel()
        await asyncio.gather(keeper, return_exceptions=True)
        if not held.lost:
            with suppress(EtcdError, TimeoutError):
                async with asyncio.timeout(members.timeout):
                    await revoke(members, held.lease)
