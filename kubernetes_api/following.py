"""Follow a resource: first all its objects, then each change, for as long as somebody wants to know.

A watch is resumed where it ended. Where that is impossible (the server has forgotten that moment, or its answers cannot
be understood), all objects are listed again. So no change is ever missed silently.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from typing import Generic, TypeAlias, TypeVar

from svcc.kubernetes_api.answers import Key, Object
from svcc.kubernetes_api.errors import ApiError, BadAnswer, Gone, Refused, Unreachable
from svcc.kubernetes_api.http import Backoff, Client
from svcc.kubernetes_api.listing import pages
from svcc.kubernetes_api.resources import Resource
from svcc.kubernetes_api.watching import Event, Type, watching

T = TypeVar("T")

#: Seconds that a watch without events has to last to be resumed without a pause.
_SHORT = 1.0
#: Statuses after which a watch may succeed later: the token is about to be renewed, or there were too many requests.
_NOT_NOW = {401, 429}
#: How many refusals in a row end the attempts to resume a watch.
_TRIES = 3
#: How many events of several resources may wait to be taken.
_WAITING = 1000


@dataclass(frozen=True, slots=True)
class Whole(Generic[T]):
    """All objects that there are. They replace everything before."""

    objects: Mapping[Key, T]


@dataclass(frozen=True, slots=True)
class Changed(Generic[T]):
    """An object that is new or has changed."""

    key: Key
    object: T


@dataclass(frozen=True, slots=True)
class Deleted:
    """An object that was deleted."""

    key: Key


@dataclass(frozen=True, slots=True)
class Lost:
    """The server cannot be followed until ``Found`` or ``Whole`` comes; what was reported is the last that is known."""

    error: ApiError


@dataclass(frozen=True, slots=True)
class Found:
    """The server can be followed again, and nothing was missed."""


News: TypeAlias = Whole[T] | Changed[T] | Deleted | Lost | Found


async def follow(client: Client, resource: Resource, read: Callable[[Object], T]) -> AsyncGenerator[News[T], None]:
    """Yield news of a resource's objects, each as ``read`` makes it. It never ends by itself, and raises no ApiError.

    ``read`` is called as objects arrive, so that only a small value for each of a large list has to be kept.
    """
    followed, backoff = _Followed(client, resource, read), Backoff(*client.times.again)
    now = asyncio.get_running_loop().time
    while True:
        began, heard, wait = now(), False, 0.0
        try:
            async with aclosing(followed.news()) as news:
                async for one in news:
                    heard = True
                    yield one
        except ApiError as error:
            if isinstance(error, Gone) and followed.resumed:
                continue  # the next list has what was missed
            wait = error.wait if isinstance(error, Refused) else 0.0
            yield Lost(error)
        else:
            if heard or now() - began > _SHORT:
                backoff.reset()
                continue
        if now() - began > client.times.again[1]:
            backoff.reset()  # it worked for long
        await asyncio.sleep(max(wait, backoff.pause()))


@asynccontextmanager
async def following(
    client: Client, resources: Mapping[Resource, Callable[[Object], T]]
) -> AsyncIterator[AsyncIterator[tuple[Resource, News[T]]]]:
    """Yield the news of several resources as they come, inside the ``with`` block. Each resource begins with its own
    ``Whole``."""
    waiting: asyncio.Queue[tuple[Resource, News[T]]] = asyncio.Queue(_WAITING)

    async def fill(resource: Resource, read: Callable[[Object], T]) -> None:
        async with aclosing(follow(client, resource, read)) as found:
            async for one in found:
                await waiting.put((resource, one))

    async def taken() -> AsyncIterator[tuple[Resource, News[T]]]:
        while True:
            yield await waiting.get()

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(fill(*one), name=f"follow {one[0].plural}") for one in resources.items()]
        try:
            yield taken()
        finally:
            for task in tasks:
                task.cancel()


class _Followed(Generic[T]):
    """The state of following a resource."""

    def __init__(self, client: Client, resource: Resource, read: Callable[[Object], T]) -> None:
        self._client = client
        self._resource = resource
        self._read = read
        self._version = resource.versions[0]  # the version of the API
        self._since: str | None = None  # where a watch is resumed; None: all objects have to be listed
        self._failed = 0  # how often in a row the server refused a watch
        self._lost = False
        self.resumed = False  # whether the last attempt was to resume an earlier watch

    async def news(self) -> AsyncGenerator[News[T], None]:
        """List the objects where that is necessary, and watch once. Errors: ApiError."""
        try:
            self.resumed = self._since is not None
            if self._since is None:
                objects, self._since = await self._listed()
                self._lost = False
                yield Whole(objects)
            async with watching(self._client, self._resource, self._version, self._since) as events:
                if self._lost:
                    self._lost = False
                    yield Found()
                async with aclosing(events):
                    async for event in events:
                        self._since, self._failed, self.resumed = event.version, 0, True
                        if (one := self._news_of(event)) is not None:
                            yield one
            self._failed = 0
        except ApiError as error:
            self._lost = not (isinstance(error, Gone) and self.resumed)
            if not self._goes_on(error):
                self._since, self._failed = None, 0
            raise

    def _goes_on(self, error: ApiError) -> bool:
        """Whether the watch may be resumed after this error: the server could not be reached, or had no time."""
        if isinstance(error, Refused) and (error.status in _NOT_NOW or error.status >= 500):
            self._failed += 1
            return not isinstance(error, Gone) and self._failed < _TRIES
        return isinstance(error, Unreachable)

    async def _listed(self) -> tuple[dict[Key, T], str]:
        """Return all objects, and the resourceVersion to watch from. Use the first version of the API that the server
        has."""
        for version in self._resource.versions:
            try:
                objects: dict[Key, T] = {}
                since = ""
                async with aclosing(pages(self._client, self._resource, version)) as found:
                    async for page in found:
                        since = since or page.version
                        objects |= ((key, self._read(one)) for key, one in page.objects)
            except Refused as error:
                if error.status != 404 or version == self._resource.versions[-1]:
                    raise
            else:
                self._version = version
                return objects, since
        raise BadAnswer(f"{self._resource.plural}: no version of the API is known")

    def _news_of(self, event: Event) -> News[T] | None:
        if event.change is None:
            return None
        key, found = event.change
        return Deleted(key) if event.type is Type.DELETED else Changed(key, self._read(found))
