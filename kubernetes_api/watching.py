"""Watch a resource: changes of its objects after a resourceVersion
(kubernetes.io/docs/reference/using-api/api-concepts)."""

from __future__ import annotations

import random
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from enum import StrEnum

from svcc.kubernetes_api.answers import Key, Object, object_in, parsed, refusal, version_in
from svcc.kubernetes_api.errors import BadAnswer, Gone
from svcc.kubernetes_api.http import Body, Client
from svcc.kubernetes_api.resources import Resource

#: How many bytes a line may have: several times etcd's limit for an object.
_LINE = 8 << 20


class Type(StrEnum):
    """The type of an event."""

    ADDED = "ADDED"
    MODIFIED = "MODIFIED"
    DELETED = "DELETED"
    BOOKMARK = "BOOKMARK"


@dataclass(frozen=True, slots=True)
class Event:
    """An event of a watch. ``version``: where a watch that ends after this event can be resumed.

    ``change``: the object's name and the object, which is its last state where it was deleted; None for a bookmark,
    which has no object.
    """

    type: Type
    version: str
    change: tuple[Key, Object] | None


@asynccontextmanager
async def watching(
    client: Client, resource: Resource, version: str, since: str
) -> AsyncIterator[AsyncGenerator[Event, None]]:
    """Yield the events after the resourceVersion ``since``. ``version``: the API's. The server has answered when the
    block begins.

    The events end when the server ends the watch in good order, which it does after a time. Errors, also of the events:
    Gone where ``since`` is too old (or newer than what the server has): list again; those of :meth:`Client.get`.
    """
    seconds = random.randint(*client.times.watch)
    query = {
        "watch": "1",
        "resourceVersion": since,
        "allowWatchBookmarks": "true",
        "timeoutSeconds": str(seconds),
    }
    async with client.get(resource.path(version), query, seconds + client.times.late) as body:
        yield _events(body, resource)


async def _events(body: Body, resource: Resource) -> AsyncGenerator[Event, None]:
    async with aclosing(body.lines(_LINE)) as lines:
        async for line in lines:
            if line.strip():
                yield _event(parsed(line), resource)


def _event(value: dict[str, object], resource: Resource) -> Event:
    type_, found = value.get("type"), value.get("object")
    if type_ == "ERROR":
        raise _error(found, resource)
    if type_ not in (*Type,) or not isinstance(found, dict):
        raise BadAnswer(f"{resource.plural}: a watch has an event of type {type_!r:.40}")
    if found.get("kind") != resource.kind:
        raise BadAnswer(f"{resource.plural}: a watch has an object of kind {found.get('kind')!r:.60}")
    event = Type(str(type_))
    version = version_in(found, f"{resource.plural}: an object")
    return Event(event, version, None if event is Type.BOOKMARK else object_in(found))


def _error(found: object, resource: Resource) -> Gone | BadAnswer:
    """Return the error for what a server says after it had begun a watch with status 200. The watch is not resumed."""
    if not isinstance(found, dict):
        return BadAnswer(f"{resource.plural}: a watch ends by an error without words")
    code = found.get("code")
    said = refusal(f"{resource.plural}: the watch", code if type(code) is int else 500, found)
    return said if isinstance(said, Gone) else BadAnswer(str(said))
