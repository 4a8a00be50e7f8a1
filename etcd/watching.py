"""Watches: the changes that one member reports, as long as it runs, has a leader, and keeps the same history."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable

from svcc.etcd.errors import Compacted, EtcdError, Malformed, NotAuthenticated, Restored, TooLarge, Unreachable
from svcc.etcd.members import Members
from svcc.etcd.refusals import by_reason
from svcc.etcd.values import Change, Changes
from svcc.etcd.wire import Message, Request, below, change, header, key_bytes

#: How many bytes changes of one revision may have, which come in fragments.
_LARGEST_CHANGES = 64 << 20


async def watch(
    members: Members,
    member: str,
    prefix: str,
    from_revision: int,
    on_made: Callable[[int], None] = lambda _: None,
    patience: float | None = None,
) -> AsyncGenerator[Changes, None]:
    """Yield changes of the keys that begin with a prefix, as one member reports them. It ends only by an error.

    ``on_made`` is called, once the watch was made, with a revision that the store had reached by then (the one in
    etcd's own message may be older). ``patience``: seconds of silence after which the member is asked, and within which
    it has to answer; None: the client's ``timeout``.
    """
    request: Request = {"create_request": {**below(prefix), "start_revision": str(from_revision), "fragment": True}}
    limit = members.timeout if patience is None else patience
    told = False
    try:
        async for changes in _stream(members, member, prefix, request, from_revision, on_made, limit):
            told = True
            yield changes
    except NotAuthenticated as error:
        if told or not await members.renew(member, error):
            raise
    async for changes in _stream(members, member, prefix, request, from_revision, on_made, limit):
        yield changes


async def _stream(
    members: Members,
    member: str,
    prefix: str,
    request: Request,
    from_revision: int,
    on_made: Callable[[int], None],
    limit: float,
) -> AsyncGenerator[Changes, None]:
    async with members.stream(member, "watch", request, limit) as messages:
        reader = _Reader(members, member, prefix, messages, limit)
        try:
            _check_created(members, await reader.first(), from_revision)
            on_made(await reader.ask())
            together: list[Change] = []
            while True:
                message = await reader.next()
                _check_alive(members, message)
                together += _changes(message, prefix)
                if sum(len(one.entry.value) for one in together if one.entry) > _LARGEST_CHANGES:
                    raise TooLarge("tells more changes at once than there is room for", member=member)
                if together and not message.flag("fragment"):
                    yield Changes(tuple(together), max(one.revision for one in together))
                    together = []
        finally:
            await reader.close()


def _check_created(members: Members, message: Message, from_revision: int) -> None:
    """Check that the watch was made, and that the store has reached its first revision."""
    _check_alive(members, message)
    if not message.flag("created"):
        raise Malformed("begins a watch without saying that it did", member=message.member)
    revision = header(message).revision
    if revision < from_revision - 1:  # it would report nothing until the store gets there, with other contents
        text = f"is at revision {revision}, and was at {from_revision - 1}: a backup was restored, or the data are gone"
        raise Restored(text, member=message.member)


def _check_alive(members: Members, message: Message) -> None:
    """Check that a message continues the watch, in the same cluster."""
    if message.number("compact_revision"):
        revision = message.number("compact_revision")
        raise Compacted(f"has no history before revision {revision}", member=message.member, revision=revision)
    if message.flag("canceled"):
        raise by_reason(message.member, message.text("cancel_reason"))
    members.known(message)


def _changes(message: Message, prefix: str) -> list[Change]:
    found = [change(event) for event in message.children("events")]
    for one in found:
        if not key_bytes(one.key).startswith(key_bytes(prefix)) or one.revision <= 0:
            raise Malformed(f"tells of a key {one.key[:80]!r} that was not asked for", member=message.member)
    return found


class _Reader:
    """The messages of a stream. While none comes, the member is asked: one that hangs still keeps TCP's connection
    alive."""

    def __init__(
        self, members: Members, member: str, prefix: str, messages: AsyncGenerator[Message, None], limit: float
    ) -> None:
        self._members, self._member, self._messages, self._limit = members, member, messages, limit
        self._probe: Request = {**below(prefix), "limit": "1", "keys_only": True}
        self._coming: asyncio.Task[Message] | None = None

    async def first(self) -> Message:
        """Return the message that says whether the watch was made; it has to come in time."""
        if not await self._came():
            raise Unreachable("does not answer in time", member=self._member)
        return self._taken()

    async def next(self) -> Message:
        """Return the next message, whenever it comes. Raises :class:`Unreachable` when the member does not answer any
        more."""
        while not await self._came():
            try:
                await self.ask()
            except EtcdError as error:
                if self._coming is not None and self._coming.done():
                    break  # the stream's own end may say better what happened
                raise error
        return self._taken()

    async def ask(self) -> int:
        """Return the revision of the member's store."""
        try:
            async with asyncio.timeout(self._limit):
                return header(await self._members.ask_member(self._member, "kv/range", self._probe)).revision
        except TimeoutError as error:
            raise Unreachable("does not answer in time", member=self._member) from error

    async def _came(self) -> bool:
        """Wait for a message or the end, as long as a member has time to answer. Return whether one came."""
        if self._coming is None:
            self._coming = asyncio.ensure_future(_next(self._messages, self._member))
        done, _ = await asyncio.wait({self._coming}, timeout=self._limit)
        return bool(done)

    def _taken(self) -> Message:
        assert self._coming is not None
        coming, self._coming = self._coming, None
        return coming.result()

    async def close(self) -> None:
        """Stop waiting for messages."""
        if self._coming is not None:
            self._coming.cancel()
            await asyncio.gather(self._coming, return_exceptions=True)


async def _next(messages: AsyncGenerator[Message, None], member: str) -> Message:
    async for message in messages:
        return message
    raise Unreachable("ends the watch", member=member)
