"""The agent's HTTP server: ``/metrics`` for Prometheus, ``/healthz`` for those who watch the agent."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from aiohttp import web

from svcc.agent.metrics import Metrics

_FORMAT = "text/plain; version=0.0.4; charset=utf-8"  # of Prometheus' text format


@asynccontextmanager
async def serving(host: str, port: int, metrics: Metrics, fault: Callable[[], str]) -> AsyncIterator[tuple[str, int]]:
    """Serve on an address inside the ``with`` block; yield the address and the port, which the kernel chooses for port
    0.

    ``fault`` says what is wrong, "" where nothing is: /healthz answers 503 with it then. Errors: OSError.
    """

    async def answer_metrics(_: web.Request) -> web.Response:
        return web.Response(body=metrics.text(), headers={"Content-Type": _FORMAT})

    async def answer_health(_: web.Request) -> web.Response:
        wrong = fault()
        return web.Response(text=f"{wrong or 'ok'}\n", status=503 if wrong else 200)

    application = web.Application()
    application.add_routes([web.get("/metrics", answer_metrics), web.get("/healthz", answer_health)])
    runner = web.AppRunner(application, access_log=None, handle_signals=False)
    await runner.setup()
    try:
        site = web.TCPSite(runner, host, port)
        await site.start()
        found = runner.addresses[0]
        yield str(found[0]), int(found[1])
    finally:
        await runner.cleanup()
