"""Leases: kept alive, ended, and kept alive in the background."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from svcc.etcd.errors import EtcdError, NoLease
from svcc.etcd.members import Members, pause
from svcc.etcd.values import Lease
from svcc.etcd.wire import Request, lease

#: How often a lease is kept alive in its seconds, and how often another member can be asked meanwhile.
_OFTEN, _TRIES = 3, 8


async def grant(members: Members, ttl: int) -> Lease:
    """A lease of so many seconds."""
    return lease(await members.ask("lease/grant", {"TTL": str(ttl)}))


async def keep_alive(members: Members, given: Lease, patience: float | None = None) -> int:
    """Let a lease begin anew; the seconds that it has. ``patience``: as of :meth:`svcc.etcd.client.Client.get`.

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
    """End a lease, and delete its keys; no error where it has ended."""
    with suppress(NoLease):
        await members.ask("lease/revoke", {"ID": str(given.id)})


class Held:
    """A lease that is kept alive, although members hang.

    It is lost where etcd is out of reach for longer than it lasts, or it is revoked.
    """

    def __init__(self, lease: Lease) -> None:
        self.lease = lease
        self.until = 0.0  # until when it lasts for certain, by the loop's clock
        self._lost = asyncio.Event()

    @property
    def lost(self) -> bool:
        """Whether the lease has ended, or has to be taken for ended: nobody answered for as long as it lasts."""
        return self._lost.is_set()

    async def until_lost(self) -> None:
        """Return when the lease is lost (at once where it is)."""
        await self._lost.wait()

    async def keep(self, members: Members, begun: float) -> None:
        """Keep the lease alive, three times in its seconds, until it is lost. ``begun``: when it was asked for."""
        loop = asyncio.get_running_loop()
        with suppress(NoLease, TimeoutError):
            while True:
                self.until = begun + self.lease.ttl
                async with asyncio.timeout_at(self.until):
                    await asyncio.sleep(max(0, begun + self.lease.ttl / _OFTEN - loop.time()))
                    begun = await self._kept(members)
        self._lost.set()

    async def _kept(self, members: Members) -> float:
        """Keep it alive once, however often that has to be tried; the time from which it counts again."""
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
    """A lease that is kept alive for as long as the block runs, and revoked after it where etcd can be reached."""
    asked = asyncio.get_running_loop().time()
    held = Held(await grant(members, ttl))
    keeper = asyncio.create_task(held.keep(members, asked))
    try:
        yield held
    finally:
        keeper.cancel()
        with suppress(asyncio.CancelledError):
            await keeper
        if not held.lost:
            with suppress(EtcdError, TimeoutError):
                async with asyncio.timeout(members.timeout):
                    await revoke(members, held.lease)
