"""Follow a prefix: list its keys, and report their changes, even where members or watches end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import aclosing, suppress
from typing import TypeVar

from svcc.etcd.errors import EtcdError, Restored, Unreachable
from svcc.etcd.members import Members, pause
from svcc.etcd.reading import listing
from svcc.etcd.values import Change, Changes, Entry, Listing
from svcc.etcd.watching import watch

#: Seconds after which all keys are read again: a watch is quick, but only reading is certain.
REREAD = 30.0
_LONGEST_PAUSE = 5.0
_T = TypeVar("_T")


async def follow(
    members: Members, prefix: str, trouble: Callable[[EtcdError], None], reread: float, patience: float | None = None
) -> AsyncGenerator[Listing | Changes, None]:
    """Yield what :meth:`svcc.etcd.client.Client.follow` says."""
    told = _Told(trouble)
    tries = 0
    while True:
        try:
            async with aclosing(_listed_and_watched(members, prefix, told, reread, patience)) as news:
                async for one in news:
                    tries = 0
                    yield one
        except EtcdError as error:
            if not told.anything:
                raise
            trouble(error)
            if isinstance(error, Unreachable):
                members.pass_over(error.member)
        tries += 1
        await asyncio.sleep(pause(tries, _LONGEST_PAUSE))


class _Told:
    """What a follower has been told: the entries, and up to which revision of which cluster."""

    def __init__(self, trouble: Callable[[EtcdError], None]) -> None:
        self._trouble = trouble
        self._entries: dict[str, Entry] = {}
        self._cluster = 0
        self.revision = 0
        self.anything = False

    def enter(self, read: Listing) -> bool:
        """Enter a listing, which is what is known from now on. Return whether it says anything new."""
        another = self.anything and read.cluster != self._cluster
        earlier = self.anything and read.revision < self.revision
        if earlier and not another:
            self._trouble(Restored(f"the store is at revision {read.revision}, and was at {self.revision}"))
        entries = {entry.key: entry for entry in read.entries}
        new = not self.anything or another or earlier or entries != self._entries
        self._entries, self._cluster, self.revision, self.anything = entries, read.cluster, read.revision, True
        return new

    def add(self, changes: Changes) -> Changes | None:
        """Enter changes. Return those that are new: not in the last listing, and no deletion of an unknown key; None
        where none is."""
        fresh = tuple(one for one in changes.changes if one.revision > self.revision and self._news(one))
        self.revision = max(self.revision, changes.revision)
        return Changes(fresh, self.revision) if fresh else None

    def _news(self, change: Change) -> bool:
        if change.entry is None:
            return self._entries.pop(change.key, None) is not None
        self._entries[change.key] = change.entry
        return True


async def _listed_and_watched(
    members: Members, prefix: str, told: _Told, reread: float, patience: float | None
) -> AsyncGenerator[Listing | Changes, None]:
    """Yield a listing, where it has news, then changes, and further listings from time to time, until the watch
    ends."""
    read = await listing(members, prefix)
    if told.enter(read):
        yield read
    # Watch at the member that gave the listing: it has reached that revision, and another one may lag behind it.
    again = _Again(members, prefix, told, reread)
    watched = watch(members, members.preferred, prefix, told.revision + 1, again.note_revision, patience)
    async with aclosing(watched):
        coming, reading = _task(_next(watched)), _task(again.read())
        try:
            while True:
                await asyncio.wait({coming, reading}, return_when=asyncio.FIRST_COMPLETED)
                if reading.done():
                    read = reading.result()
                    overtaken = read.revision < told.revision
                    if not overtaken and told.enter(read):
                        yield read
                    reading = _task(again.read(soon=overtaken))
                if coming.done():
                    changes, coming = coming.result(), _task(_next(watched))
                    if fresh := told.add(changes):
                        yield fresh
        finally:
            await _end(coming, reading)


class _Again:
    """Reads all keys again: from time to time, and at once where the watch may have missed something."""

    def __init__(self, members: Members, prefix: str, told: _Told, reread: float) -> None:
        self._members, self._prefix, self._told, self._reread = members, prefix, told, reread
        self._due = asyncio.Event()

    def note_revision(self, revision: int) -> None:
        """Note that the watch was made at this revision.

        Where there were changes since the listing, and etcd has compacted up to them, the watch leaves out the
        deletions among them without a word: etcd has no tombstone at or before the revision to which it compacted. So
        all keys are read again.
        """
        if revision > self._told.revision:
            self._due.set()

    async def read(self, *, soon: bool = False) -> Listing:
        """Wait until it is time, and return all keys. Raises :class:`Restored` where the store went back."""
        with suppress(TimeoutError):
            async with asyncio.timeout(min(self._reread, 1) if soon else self._reread):
                await self._due.wait()
        self._due.clear()
        before = self._told.revision
        read = await listing(self._members, self._prefix)
        if read.revision < before:
            raise Restored(f"the store is at revision {read.revision}, and was at {before}")
        return read


async def _next(watched: AsyncGenerator[Changes, None]) -> Changes:
    return await anext(watched)


def _task(coroutine: Coroutine[None, None, _T]) -> asyncio.Task[_T]:
    return asyncio.get_running_loop().create_task(coroutine)


async def _end(*tasks: asyncio.Task[Listing] | asyncio.Task[Changes]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
