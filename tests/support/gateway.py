"""An HTTP server between a client and etcd, or in etcd's place, that answers what a test wants."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import aiohttp
from aiohttp import web

#: Answers a request, or returns None where the member has to answer it.
Answer = Callable[[web.Request], Awaitable[web.StreamResponse | None]]


@asynccontextmanager
async def server(answer: Answer, member: str = "") -> AsyncIterator[str]:
    """Yield the address of a server on loopback. Where the test has no answer, it asks the member."""

    async def handle(request: web.Request) -> web.StreamResponse:
        await request.read()  # the connection is used again, so all of a request has to be read
        found = await answer(request)
        return await _passed_on(request, member) if found is None else found

    application = web.Application(client_max_size=8 << 20)
    application.router.add_route("*", "/{path:.*}", handle)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0, handler_cancellation=True)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        port = runner.addresses[0][1]
        yield f"http://127.0.0.1:{port}"
    finally:
        await runner.cleanup()


async def _passed_on(request: web.Request, member: str) -> web.StreamResponse:
    body = await request.read()
    async with aiohttp.ClientSession() as session, session.post(f"{member}{request.path}", data=body) as answer:
        response = web.StreamResponse(status=answer.status)
        await response.prepare(request)
        async for chunk in answer.content.iter_any():
            await response.write(chunk)
        return response


async def lines(request: web.Request, *texts: bytes) -> web.StreamResponse:
    """Return a stream that has begun, with these lines."""
    response = web.StreamResponse()
    await response.prepare(request)
    for text in texts:
        await response.write(text + b"\n")
    return response
