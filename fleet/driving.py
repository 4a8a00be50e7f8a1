"""Drive a rollout: read what the nodes report, and write what they shall do next, until the rollout has ended.

All of its state is in etcd. Of several drivers one holds a lock; the others only watch, and one of them takes over when
the lock is free.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from typing import TypeAlias

from svcc.etcd.client import Client
from svcc.etcd.errors import NoLease, Unreachable
from svcc.etcd.leases import Held
from svcc.etcd.values import Put, absent, as_read, leased, present
from svcc.fleet.documents import Want
from svcc.fleet.errors import FleetError
from svcc.fleet.keys import Keys
from svcc.fleet.reading import Snapshot, snapshot
from svcc.fleet.rollout import Rollout, RolloutPhase, RolloutStep, Since, check_free, step

#: Seconds after which another driver may take over from one that died.
_LEASE = 10
#: Seconds for which nodes' reports are collected.
_TOGETHER = 0.1
#: Seconds until etcd is read again where no change was reported, and where etcd did not answer.
_GLANCE, _AGAIN = 30.0, 1.0

#: Called with where a rollout stands, whenever that changed.
Tell: TypeAlias = Callable[[Snapshot], None]


class NoRollout(FleetError):
    """The fleet has no rollout."""


async def start(etcd: Client, keys: Keys, rollout: Rollout) -> None:
    """Write a new rollout.

    Errors: NotNow where another one has not ended; FleetError where the release does not exist; BadDocument; EtcdError.
    """
    seen = await snapshot(etcd, keys)
    check_free(seen.rollout)
    free, exists = as_read(keys.rollout, seen.entries.get(keys.rollout)), present(keys.release(rollout.release))
    done = await etcd.transact([free, exists], [Put(keys.rollout, rollout.text.encode())])
    if not done.succeeded:
        if await etcd.get(keys.release(rollout.release)) is None:
            raise FleetError(f"fleet {keys.fleet} has no release {rollout.release}")
        check_free((await snapshot(etcd, keys)).rollout)
        raise FleetError("somebody else began a rollout meanwhile: see `svcc fleet status`")


async def change(etcd: Client, keys: Keys, how: Callable[[Rollout], Rollout]) -> Rollout:
    """Change the rollout by ``how``, and return it. Errors: NoRollout where there is none; those of ``how``;
    EtcdError."""
    while True:
        seen = await snapshot(etcd, keys)
        if seen.rollout is None:
            raise NoRollout(f"fleet {keys.fleet} has had no rollout yet")
        changed = how(seen.rollout)
        put = Put(keys.rollout, changed.text.encode())
        if changed == seen.rollout:
            return changed
        if (await etcd.transact([as_read(keys.rollout, seen.entries.get(keys.rollout))], [put])).succeeded:
            return changed


async def adopt(etcd: Client, keys: Keys, nodes: set[str], *, keep: bool = False) -> dict[str, Want]:
    """Give nodes that refuse their wants an epoch larger than the one that they followed. Return their new wants.

    With ``keep`` they keep what they serve; else they follow the release that etcd wants of them, and keep what they
    serve where it wants nothing. ``nodes``: only these; all where it is empty. Errors: FleetError where there is no
    such node; EtcdError.
    """
    seen = await snapshot(etcd, keys)
    if unknown := sorted(nodes - seen.nodes.keys()):
        raise FleetError(f"fleet {keys.fleet} knows no node {unknown[0]}")
    adopted = {}
    for node, one in seen.nodes.items():
        if (nodes and node not in nodes) or one.status is None or not one.ahead:
            continue
        want = Want(one.status.followed + 1, 0 if keep or one.want is None else one.want.release)
        key = keys.want(node)
        if (await etcd.transact([as_read(key, seen.entries.get(key))], [Put(key, want.text.encode())])).succeeded:
            adopted[node] = want
    return adopted


async def drive(etcd: Client, keys: Keys, who: str, tell: Tell, trouble: Callable[[str], None]) -> Snapshot:
    """Drive the rollout until it has ended, or somebody pauses it; or watch while another driver does.

    ``who``: the name of this driver, which is written into the lock; ``trouble`` is called where etcd does not answer:
    the rollout waits for it. Errors: NoRollout, BadDocument; EtcdError where etcd refuses.
    """
    driver = _Driver(etcd, keys, who, tell, trouble)
    async with _hearing(etcd, keys) as heard:
        while True:
            try:
                async with etcd.hold(_LEASE) as held:
                    while not held.lost:
                        if (ended := await driver.look(held, heard)) is not None:
                            return ended
            except NoLease:  # the lease ended before we noticed, as on a busy machine: take a new one
                continue
            except Unreachable as error:
                await driver.rest(error)


class _Driver:
    """One driver of a rollout."""

    def __init__(self, etcd: Client, keys: Keys, who: str, tell: Tell, trouble: Callable[[str], None]) -> None:
        self._etcd, self._keys, self._who, self._tell, self._trouble = etcd, keys, who, tell, trouble
        self._now = asyncio.get_running_loop().time
        self._since = Since()

    async def look(self, held: Held, heard: asyncio.Event) -> Snapshot | None:
        """Do the next step, or wait until there may be one; return what was read where the rollout has ended."""
        heard.clear()
        try:
            seen = await snapshot(self._etcd, self._keys)
            self._tell(seen)
            if seen.rollout is None:
                raise NoRollout("the rollout is gone: somebody deleted it")
            if seen.rollout.phase.ended or seen.rollout.phase is RolloutPhase.PAUSED:
                return seen
            if await self._owns(held, seen):
                await self._step(held, heard, seen, seen.rollout)
            else:
                self._since = Since()
                await _wait(heard, _GLANCE)
        except Unreachable as error:
            await self.rest(error)
        return None

    async def rest(self, error: Unreachable) -> None:
        """Wait for etcd. Nodes' reports do not arrive meanwhile, so that their times begin anew."""
        self._trouble(str(error))
        self._since = Since()
        await asyncio.sleep(_AGAIN)

    async def _step(self, held: Held, heard: asyncio.Event, seen: Snapshot, rollout: Rollout) -> None:
        taken = step(rollout, seen.nodes, self._since, self._now())
        self._since = taken.since
        if taken.rollout != rollout:
            await self._write(held, seen, taken)
        else:
            await _wait(heard, _GLANCE if taken.again is None else min(_GLANCE, taken.again - self._now()))

    async def _owns(self, held: Held, seen: Snapshot) -> bool:
        """Whether we hold the lock. Take it where nobody holds it."""
        key, entry = self._keys.lock, seen.entries.get(self._keys.lock)
        if entry is not None:
            return entry.lease == held.lease.id
        return (await self._etcd.transact([absent(key)], [Put(key, self._who.encode(), held.lease)])).succeeded

    async def _write(self, held: Held, seen: Snapshot, taken: RolloutStep) -> None:
        """Write all of a step, if nothing changed since it was read; else nothing is written, and the next look reads
        anew."""
        keys, entries = self._keys, seen.entries
        puts = {keys.rollout: taken.rollout.text} | {keys.want(node): want.text for node, want in taken.wants.items()}
        compares = [leased(keys.lock, held.lease), *(as_read(key, entries.get(key)) for key in puts)]
        await self._etcd.transact(compares, [Put(key, text.encode()) for key, text in puts.items()])


async def _wait(heard: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(max(0.0, seconds)):
            await heard.wait()
            await asyncio.sleep(_TOGETHER)
    except TimeoutError:
        pass


@asynccontextmanager
async def _hearing(etcd: Client, keys: Keys) -> AsyncIterator[asyncio.Event]:
    """Yield an event that is set whenever anything changes that a rollout depends on."""
    heard = asyncio.Event()

    async def listen(beginning: str) -> None:
        async with aclosing(etcd.follow(beginning)) as told:
            async for _ in told:
                heard.set()

    followed = (keys.rollout, keys.lock, keys.statuses, keys.lives)
    tasks = [asyncio.create_task(listen(one), name=f"follow {one}") for one in followed]
    try:
        yield heard
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
