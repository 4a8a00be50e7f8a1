"""List all objects of a resource as they were at one moment, page by page.

The source is kubernetes.io/docs/reference/using-api/api-concepts. A list is asked for without a resourceVersion: then
it is as new as anything that the server has acknowledged, whichever server answers. With ``resourceVersion=0`` it could
be older than what was seen before.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass

from svcc.kubernetes_api.answers import Key, Object, object_in, parsed, version_in
from svcc.kubernetes_api.errors import BadAnswer, TooLarge
from svcc.kubernetes_api.http import Client
from svcc.kubernetes_api.resources import Resource

#: How many objects a page has at most.
PAGE = 500
#: How many bytes a page, and all pages, may have. A server's own limit for an object is etcd's, 1.5 MB.
_PAGE_BYTES, _ALL_BYTES = 32 << 20, 1 << 30


@dataclass(frozen=True, slots=True)
class Page:
    """A page of a list. ``version``: the list's resourceVersion, from which it can be watched."""

    objects: tuple[tuple[Key, Object], ...]
    version: str


async def pages(client: Client, resource: Resource, version: str) -> AsyncGenerator[Page, None]:
    """Yield the pages of a list. ``version``: the API's, such as v1.

    Errors: Gone where a page's token has expired, so that the list has to begin anew; and those of :meth:`Client.get`.
    """
    limit, token, taken = PAGE, "", 0
    seen: set[str] = set()
    while True:
        query = {"limit": str(limit), **({"continue": token} if token else {})}
        try:
            async with client.get(resource.path(version), query, client.times.answer) as body:
                text = await body.whole(_PAGE_BYTES)
            value = parsed(text)
        except TooLarge:
            if limit == 1:
                raise
            limit //= 2
            continue
        taken += len(text)
        if taken > _ALL_BYTES:
            raise TooLarge(f"{resource.path(version)}: a list has more than {_ALL_BYTES} bytes")
        page, token = _page(value, resource)
        yield page
        if not token:
            return
        if token in seen:
            raise BadAnswer(f"{resource.path(version)}: a list leads back to a page that was there before")
        seen.add(token)


def _page(value: dict[str, object], resource: Resource) -> tuple[Page, str]:
    """Return a page, and the token for the next one; "" on the last page."""
    kind, metadata, items = value.get("kind"), value.get("metadata"), value.get("items")
    if kind != f"{resource.kind}List":
        raise BadAnswer(f"{resource.plural}: a list of {resource.kind} was asked for, and {kind!r:.60} came")
    if items is None:
        items = []  # Go writes an empty list so
    if not isinstance(items, list):
        raise BadAnswer(f"{resource.plural}: the `items` of a list are no list")
    version = version_in(value, f"{resource.plural}: a list")
    token = metadata.get("continue") if isinstance(metadata, dict) else None
    if token is not None and not isinstance(token, str):
        raise BadAnswer(f"{resource.plural}: the `continue` of a list is no text")
    return Page(tuple(object_in(item) for item in items), version), token or ""
