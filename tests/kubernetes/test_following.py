"""Random histories of a cluster whose server compacts and restarts: in the end all of it is known, as it is."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from support.kubernetes_double import Cluster, Server, served
from support.waiting import LID
from svcc.kubernetes_api.access import Access
from svcc.kubernetes_api.answers import Key, Object
from svcc.kubernetes_api.following import Changed, Deleted, News, Whole, following
from svcc.kubernetes_api.http import Client, Times
from svcc.kubernetes_api.resources import ENDPOINT_SLICES, NODES, SERVICES, Resource

_RESOURCES = (SERVICES, ENDPOINT_SLICES, NODES)
#: Watches end at once, so that they are resumed again and again.
_TIMES = Times(again=(0.001, 0.01), watch=(0, 1))

_EDITS = st.lists(
    st.tuples(
        st.sampled_from(["put", "put", "put", "delete", "compact", "restart", "cut", "wait"]),
        st.sampled_from([one.plural for one in _RESOURCES]),
        st.integers(0, 7),
        st.integers(0, 99),
    ),
    max_size=25,
)


class Known:
    """What is known of a cluster by its news, as name and content of each object."""

    def __init__(self) -> None:
        self.objects: dict[Resource, dict[Key, int]] = {}

    def hear(self, resource: Resource, news: News[int]) -> None:
        match news:
            case Whole(objects):
                self.objects[resource] = dict(objects)
            case Changed(key, content):
                self.objects[resource][key] = content
            case Deleted(key):
                del self.objects[resource][key]

    def is_all_of(self, cluster: Cluster) -> bool:
        return self.objects == {
            resource: {_key(one): _content(one) for one in cluster.objects[resource.plural].values()}
            for resource in _RESOURCES
        }


def _key(found: Mapping[str, Any]) -> Key:
    return Key(found["metadata"].get("namespace", ""), found["metadata"]["name"])


def _content(found: Object) -> int:
    content = found["content"]
    assert isinstance(content, int)
    return content


def made(plural: str, number: int, content: int) -> dict[str, Any]:
    namespace = {} if plural == "nodes" else {"namespace": f"n{number % 2}"}
    return {"metadata": {"name": f"o{number}", **namespace}, "content": content}


async def edit(server: Server, what: str, plural: str, number: int, content: int) -> None:
    cluster = server.cluster
    there = sorted(cluster.objects[plural])
    match what:
        case "put":
            cluster.put(plural, made(plural, number, content))
        case "delete" if there:
            cluster.delete(plural, there[number % len(there)])
        case "compact":
            cluster.compact()
        case "restart" | "cut":
            await server.stop()
            await server.start()
        case _:
            await asyncio.sleep(0)
    server.moved()


@given(_EDITS, st.integers(1, 4), st.sampled_from([("v1",), ("v1beta1",)]))
def test_whatever_happens_all_is_known_in_the_end(
    edits: list[tuple[str, str, int, int]], page: int, versions: tuple[str, ...]
) -> None:
    cluster = Cluster(largest_page=page, versions=versions)
    for number in range(4):
        cluster.put("services", made("services", number, 0))

    async def followed() -> None:
        known = Known()
        async with served(cluster) as server, Client(Access(f"http://127.0.0.1:{server.port}"), times=_TIMES) as client:
            readers: dict[Resource, Callable[[Object], int]] = dict.fromkeys(_RESOURCES, _content)
            async with following(client, readers) as news:
                heard = asyncio.Event()
                hearing = asyncio.create_task(_hear(known, news, heard))
                for one in edits:
                    await edit(server, *one)
                    await asyncio.sleep(0.001)
                async with asyncio.timeout(LID):
                    while not known.is_all_of(cluster):
                        await heard.wait()
                        heard.clear()
                hearing.cancel()

    asyncio.run(followed())


async def _hear(known: Known, news: AsyncIterator[tuple[Resource, News[int]]], heard: asyncio.Event) -> None:
    async for resource, one in news:
        known.hear(resource, one)
        heard.set()
