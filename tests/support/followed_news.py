"""The news that a client of a Kubernetes API gets, in words."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from contextlib import aclosing
from typing import TypeVar

from support.waiting import LID
from svcc.kubernetes_api.access import Access
from svcc.kubernetes_api.answers import Object
from svcc.kubernetes_api.following import Changed, Deleted, Found, Lost, News, Whole, follow
from svcc.kubernetes_api.http import Client, Times
from svcc.kubernetes_api.resources import SERVICES, Resource

T = TypeVar("T")

#: Short pauses after trouble.
QUICK = Times(again=(0.01, 0.05))


def in_words(news: News[T]) -> str:
    match news:
        case Whole(objects):
            return " ".join(["whole", *map(str, sorted(objects))])
        case Changed(key, _):
            return f"changed {key}"
        case Deleted(key):
            return f"deleted {key}"
        case Lost(error):
            return f"lost {re.sub('^/apis?/[^ :]*/', '', str(error))}"
        case Found():
            return "found"


async def heard(
    access: Access,
    number: int,
    times: Times = QUICK,
    resource: Resource = SERVICES,
    then: Callable[[str], object] = lambda _: None,
) -> list[str]:
    """Return the first ``number`` news in words; ``then`` is called after each."""
    said: list[str] = []
    async with (
        asyncio.timeout(LID),
        Client(access, times=times) as client,
        aclosing(follow(client, resource, _as_it_is)) as news,
    ):
        async for one in news:
            said.append(in_words(one))
            then(said[-1])
            if len(said) == number:
                break
    return said


def _as_it_is(found: Object) -> Object:
    return found
