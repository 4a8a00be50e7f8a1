"""A server that answers as a recording says: to which request, with which status and bytes, and how the answer ends.

A recording is a list of exchanges. ``request``: method, path and query (without ``timeoutSeconds``, which clients
choose at random). ``status``, ``headers``. ``body``: pieces of it; a text is sent unchanged, anything else as JSON on a
line. ``end``: "" in good order; "cut": the connection is closed before the answer is complete; "silence": it stays
open. Each exchange is used once. A request without an exchange gets no answer.
"""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlsplit

_REASONS = {200: "OK", 302: "Found", 401: "Unauthorized", 404: "Not Found", 410: "Gone"}


@dataclass(frozen=True, slots=True)
class Exchange:
    request: str
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: Sequence[Any] = ()
    end: str = ""


@dataclass(slots=True)
class Replayed:
    """A server with a recording. ``asked``: the requests so far, in the recordings' form; ``headers``: of each of
    them."""

    exchanges: list[Exchange]
    asked: list[str] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    port: int = 0
    open: set[asyncio.StreamWriter] = field(default_factory=set)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.open.add(writer)
        with suppress(ConnectionError, asyncio.IncompleteReadError, ssl.SSLError):
            while await self._answer((await reader.readuntil(b"\r\n\r\n")).decode(), writer):
                pass
            await reader.read()  # until the client has enough
        self.open.discard(writer)
        writer.close()

    async def _answer(self, text: str, writer: asyncio.StreamWriter) -> bool:
        """Answer a request; return whether the connection may be used again."""
        first, *lines = text.strip().split("\r\n")
        asked = _written(first.rpartition(" ")[0])
        self.asked.append(asked)
        self.headers.append({name.lower(): value for name, _, value in (line.partition(": ") for line in lines)})
        exchange = next((one for one in self.exchanges if one.request == asked), None)
        if exchange is None:
            exchange = Exchange(asked, end="silence")
        else:
            self.exchanges.remove(exchange)
        headers = {"Content-Type": "application/json", "Transfer-Encoding": "chunked", **exchange.headers}
        head = [f"HTTP/1.1 {exchange.status} {_REASONS.get(exchange.status, 'Status')}"]
        writer.write("\r\n".join([*head, *(": ".join(header) for header in headers.items()), "", ""]).encode())
        for piece in exchange.body:
            data = (piece if isinstance(piece, str) else json.dumps(piece) + "\n").encode()
            if not data:
                continue  # an empty chunk would be the end
            writer.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
            await writer.drain()
        if exchange.end == "cut":
            writer.close()
        elif not exchange.end:
            writer.write(b"0\r\n\r\n")
        await writer.drain()
        return not exchange.end


def _written(request: str) -> str:
    method, _, target = request.partition(" ")
    parts = urlsplit(target)
    query = "&".join(f"{name}={value}" for name, value in parse_qsl(parts.query) if name != "timeoutSeconds")
    return f"{method} {parts.path}?{query}"


@asynccontextmanager
async def replaying(
    exchanges: Sequence[Exchange], context: ssl.SSLContext | None = None, host: str = "127.0.0.1", port: int = 0
) -> AsyncIterator[Replayed]:
    replayed = Replayed(list(exchanges))
    server = await asyncio.start_server(replayed.serve, host, port, ssl=context)
    replayed.port = server.sockets[0].getsockname()[1]
    try:
        yield replayed
    finally:
        server.close()
        for writer in list(replayed.open):
            writer.transport.abort()
        await server.wait_closed()
