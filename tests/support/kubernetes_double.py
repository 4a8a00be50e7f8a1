"""A small API server with objects, for what a recording cannot show: it keeps a history, forgets it, and restarts.

For lists and watches it does what kube-apiserver does, as far as a client can tell: pages of one moment, tokens and
versions that expire, bookmarks at the end of a watch, and an event of type ERROR after status 200.
"""

from __future__ import annotations

import asyncio
import copy
import json
import socket
import threading
from collections.abc import AsyncIterator, Coroutine, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeVar

from aiohttp import web

from svcc.kubernetes_api.resources import ENDPOINT_SLICES, NODES, SERVICES, Resource

T = TypeVar("T")

_RESOURCES = {one.plural: one for one in (SERVICES, ENDPOINT_SLICES, NODES)}


class _Past(NamedTuple):
    version: int
    type: str
    plural: str
    object: dict[str, Any]


def key_of(found: Mapping[str, Any]) -> str:
    metadata = found["metadata"]
    return f"{metadata['namespace']}/{metadata['name']}" if metadata.get("namespace") else str(metadata["name"])


@dataclass(slots=True)
class Cluster:
    """Objects and their history.

    ``largest_page``: how many objects a page has at most; ``versions``: of endpoint slices; ``forbidden``: resources
    that nobody may read.
    """

    objects: dict[str, dict[str, dict[str, Any]]] = field(default_factory=lambda: {name: {} for name in _RESOURCES})
    version: int = 1
    past: list[_Past] = field(default_factory=list)
    compacted: int = 0
    moments: dict[int, dict[str, dict[str, dict[str, Any]]]] = field(default_factory=dict)
    largest_page: int = 500
    versions: tuple[str, ...] = ("v1", "v1beta1")
    forbidden: set[str] = field(default_factory=set)

    def put(self, plural: str, given: Mapping[str, Any]) -> None:
        """Create an object, or replace the one with its name."""
        self.version += 1
        found = copy.deepcopy(dict(given))
        found["metadata"] = {**found["metadata"], "resourceVersion": str(self.version)}
        type = "MODIFIED" if key_of(found) in self.objects[plural] else "ADDED"
        self.objects[plural][key_of(found)] = found
        self.past.append(_Past(self.version, type, plural, found))

    def delete(self, plural: str, key: str) -> None:
        self.version += 1
        found = self.objects[plural].pop(key)
        gone = {**found, "metadata": {**found["metadata"], "resourceVersion": str(self.version)}}
        self.past.append(_Past(self.version, "DELETED", plural, gone))

    def compact(self) -> None:
        """Forget everything before this moment."""
        self.compacted = self.version
        self.moments.clear()
        self.past.clear()


class Server:
    """A server of a cluster on a port, which can be stopped and started again. It runs in the loop that calls it."""

    def __init__(self, cluster: Cluster, port: int = 0, host: str = "127.0.0.1") -> None:
        self.cluster = cluster
        self.host, self.port = host, port
        self.asked: list[str] = []
        self._moved = asyncio.Event()
        self._runner: web.AppRunner | None = None

    def moved(self) -> None:
        """Have watches look: the cluster has changed."""
        self._moved.set()
        self._moved = asyncio.Event()

    async def start(self, listening: socket.socket | None = None) -> None:
        application = web.Application()
        application.router.add_get("/{api:api|apis/discovery.k8s.io}/{version}/{plural}", self._answer)
        # A client that is cut off gets nothing more, as from a server that is killed.
        self._runner = web.AppRunner(
            application, access_log=None, handle_signals=False, shutdown_timeout=0.01, handler_cancellation=True
        )
        await self._runner.setup()
        site: web.BaseSite
        if listening is None:
            site = web.TCPSite(self._runner, self.host, self.port, reuse_address=True)
        else:
            site = web.SockSite(self._runner, listening)
        await site.start()
        self.port = int(self._runner.addresses[0][1])

    async def stop(self) -> None:
        """End all connections."""
        if self._runner is not None:
            runner, self._runner = self._runner, None
            if runner.server is not None:
                for protocol in runner.server.connections:
                    if protocol.transport is not None:
                        protocol.transport.abort()
            await runner.cleanup()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(str(request.rel_url))
        resource = _RESOURCES.get(request.match_info["plural"])
        version = request.match_info["version"]
        known = self.cluster.versions if resource is ENDPOINT_SLICES else ("v1",)
        if resource is None or version not in known or not request.path.startswith(resource.path(version)):
            return web.json_response(
                _status(404, "NotFound", "the server could not find the requested resource"), status=404
            )
        if resource.plural in self.cluster.forbidden:
            words = f'{resource.plural} is forbidden: User "svcc" cannot list resource "{resource.plural}"'
            return web.json_response(_status(403, "Forbidden", words), status=403)
        if request.query.get("watch") in ("1", "true"):
            return await self._watch(request, resource, version)
        return self._list(request, resource, version)

    def _list(self, request: web.Request, resource: Resource, version: str) -> web.Response:
        cluster, start = self.cluster, ""
        moment = cluster.version
        if token := request.query.get("continue"):
            at, _, start = token.partition("~")
            moment = int(at)
            if moment not in cluster.moments:
                words = "The provided continue parameter is too old to display a consistent list result."
                return web.json_response(_status(410, "Expired", words), status=410)
        elif moment not in cluster.moments:
            cluster.moments[moment] = {plural: dict(found) for plural, found in cluster.objects.items()}
        there = sorted((key, found) for key, found in cluster.moments[moment][resource.plural].items() if key > start)
        limit = min(int(request.query.get("limit", cluster.largest_page)), cluster.largest_page)
        metadata: dict[str, Any] = {"resourceVersion": str(moment)}
        if len(there) > limit:
            metadata |= {"continue": f"{moment}~{there[limit - 1][0]}", "remainingItemCount": len(there) - limit}
        return web.json_response(
            {**_typed(resource, version, "List"), "metadata": metadata, "items": [o for _, o in there[:limit]]}
        )

    async def _watch(self, request: web.Request, resource: Resource, version: str) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        since = int(request.query["resourceVersion"])

        async def say(type: str, found: Mapping[str, Any]) -> None:
            await response.write(json.dumps({"type": type, "object": found}).encode() + b"\n")

        if since < self.cluster.compacted:
            await say("ERROR", _status(410, "Expired", f"too old resource version: {since}"))
            return response
        ends = asyncio.get_running_loop().time() + int(request.query.get("timeoutSeconds", "1800"))
        while True:
            moved, past = self._moved, [one for one in self.cluster.past if one.version > since]
            for one in past:
                since = one.version
                if one.plural == resource.plural:
                    await say(one.type, {**_typed(resource, version), **one.object})
            try:
                async with asyncio.timeout_at(ends):
                    await moved.wait()
            except TimeoutError:
                if request.query.get("allowWatchBookmarks") == "true":
                    await say("BOOKMARK", {**_typed(resource, version), "metadata": {"resourceVersion": str(since)}})
                return response
            if since < self.cluster.compacted:
                await say("ERROR", _status(410, "Expired", f"too old resource version: {since}"))
                return response


def _typed(resource: Resource, version: str, more: str = "") -> dict[str, Any]:
    return {"kind": resource.kind + more, "apiVersion": f"{resource.group}/{version}".lstrip("/")}


def _status(code: int, reason: str, message: str) -> dict[str, Any]:
    return {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": message,
        "reason": reason,
        "code": code,
    }


@asynccontextmanager
async def served(cluster: Cluster) -> AsyncIterator[Server]:
    server = Server(cluster)
    await server.start()
    try:
        yield server
    finally:
        await server.stop()


class Beside:
    """A server in a thread, for clients that run elsewhere."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        self.server = self.run(self._made())

    async def _made(self) -> Server:
        return Server(self.cluster)

    def start(self, listening: socket.socket) -> None:
        self.run(self.server.start(listening))

    def stop(self) -> None:
        """Stop the server until it is started again."""
        self.run(self.server.stop())

    def end(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def run(self, work: Coroutine[object, object, T]) -> T:
        """Run a coroutine in the server's loop, and wait for it."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def put(self, plural: str, *found: Mapping[str, Any]) -> None:
        async def work() -> None:
            for one in found:
                self.cluster.put(plural, one)
            self.server.moved()

        self.run(work())

    def delete(self, plural: str, key: str) -> None:
        async def work() -> None:
            self.cluster.delete(plural, key)
            self.server.moved()

        self.run(work())


@contextmanager
def served_beside(cluster: Cluster, listening: socket.socket) -> Iterator[Beside]:
    """Serve on a socket that listens already, perhaps in another network namespace."""
    beside = Beside(cluster)
    try:
        beside.start(listening)
        yield beside
        beside.stop()
    finally:
        beside.end()
