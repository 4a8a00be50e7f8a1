"""What a resource's objects are, for as long as somebody wants to know: first all of them, then each change.

A watch is resumed where it ended. Where that is impossible (the server has forgotten that moment, or says things that
cannot be understood) all objects are listed again: never is a change missed in silence.
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

#: A watch that ends sooner, in seconds, and had nothing to say is not asked for again at once.
_SHORT = 1.0
#: Statuses of a server to which a watch may be lucky later: a token that is about to be renewed, too many requests.
_NOT_NOW = {401, 429}
#: So many refusals in a row end what was to be resumed.
_TRIES = 3
#: Events of several resources that may wait for whoever takes them.
_WAITING = 1000


@dataclass(frozen=True, slots=True)
class Whole(Generic[T]):
    """All objects there are, in place of all that was said before."""

    objects: Mapping[Key, T]


@dataclass(frozen=True, slots=True)
class Changed(Generic[T]):
    """An object that is new, or another than before."""

    key: Key
    object: T


@dataclass(frozen=True, slots=True)
class Deleted:
    """An object that is gone from the server."""

    key: Key


@dataclass(frozen=True, slots=True)
class Lost:
    """Nothing new is heard until ``Found`` or ``Whole`` comes; what was said stays the last that is known."""

    error: ApiError


@dataclass(frozen=True, slots=True)
class Found:
    """The server is back, and nothing was missed."""


News: TypeAlias = Whole[T] | Changed[T] | Deleted | Lost | Found


async def follow(client: Client, resource: Resource, read: Callable[[Object], T]) -> AsyncGenerator[News[T], None]:
    """The resource's objects, each as ``read`` has it; it never ends by itself, and raises no ApiError.

    ``read`` is called as objects arrive, so that a small value for each is all that is kept of a large list.
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
                continue  # what was missed is in the list that comes now
            wait = error.wait if isinstance(error, Refused) else 0.0
            yield Lost(error)
        else:
            if heard or now() - began > _SHORT:
                backoff.reset()
                continue
        if now() - began > client.times.again[1]:
            backoff.reset()  # it went well for long
        await asyncio.sleep(max(wait, backoff.pause()))


@asynccontextmanager
async def following(
    client: Client, resources: Mapping[Resource, Callable[[Object], T]]
) -> AsyncIterator[AsyncIterator[tuple[Resource, News[T]]]]:
    """The news of several resources as they come, while this lasts. Each begins with its own ``Whole``."""
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
    """How far a resource has been followed."""

    def __init__(self, client: Client, resource: Resource, read: Callable[[Object], T]) -> None:
        self._client = client
        self._resource = resource
        self._read = read
        self._version = resource.versions[0]  # of the API
        self._since: str | None = None  # where a watch goes on; None: all has to be listed
        self._failed = 0  # how often in a row a server would not let a watch go on
        self._lost = False
        self.resumed = False  # whether what was tried last was to go on from an earlier watch

    async def news(self) -> AsyncGenerator[News[T], None]:
        """List where that has to be, and watch once. Errors: ApiError."""
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
        """Whether the watch may go on after this where it was: nobody was there, or somebody with no time for it."""
        if isinstance(error, Refused) and (error.status in _NOT_NOW or error.status >= 500):
            self._failed += 1
            return not isinstance(error, Gone) and self._failed < _TRIES
        return isinstance(error, Unreachable)

    async def _listed(self) -> tuple[dict[Key, T], str]:
        """All objects, and from where to watch: the first version of the API that the server has."""
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
