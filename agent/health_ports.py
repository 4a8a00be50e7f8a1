"""Answers to load balancers outside a cluster, which ask each node whether it has endpoints of a service.

Each such service has a port for this (``healthCheckNodePort``). The answer is kube-proxy's, whatever path is asked for:
200 where the node has endpoints, else 503, and their number in a header and in a JSON object.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager

from aiohttp import web

from svcc.agent.log import Log
from svcc.agent.source import HealthPort

#: Seconds between two checks of which ports there are.
_GLANCE = 1.0

_Ports = Callable[[], Mapping[int, HealthPort]]


@asynccontextmanager
async def answering(ports: _Ports, healthy: Callable[[], bool], log: Log) -> AsyncIterator[None]:
    """Answer at all ports of ``ports``, on every address of this machine, inside the ``with`` block.

    ``healthy``: whether the kernel has what it should; where it has not, the answer is 503 as well. A port that another
    program has is logged, and tried again until it is free.
    """
    application = web.Application()
    application.router.add_get("/{path:.*}", lambda request: _answer(request, ports(), healthy=healthy()))
    runner = web.AppRunner(application, access_log=None, handle_signals=False)
    await runner.setup()
    task = asyncio.create_task(_keep(runner, ports, log), name="health ports")
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        if not task.cancelled():
            task.result()  # it ended by itself: this raises its error
        await runner.cleanup()


async def _keep(runner: web.AppRunner, ports: _Ports, log: Log) -> None:
    """Keep a listening socket for each port that there is, and no others."""
    sites: dict[int, web.TCPSite] = {}
    taken: set[int] = set()  # ports that other programs have
    while True:
        wanted = ports()
        for port in sites.keys() - wanted.keys():
            await sites.pop(port).stop()
        taken &= wanted.keys()
        for port in sorted(wanted.keys() - sites.keys()):
            site = web.TCPSite(runner, None, port)
            try:
                await site.start()
            except OSError as error:
                await site.stop()
                if port not in taken:
                    why = os.strerror(error.errno or 0)
                    words = "the health check port for load balancers cannot be opened"
                    log.error(words, service=str(wanted[port]), port=port, reason=why)
                taken.add(port)
            else:
                sites[port] = site
                taken.discard(port)
                log.info("answers load balancers", service=str(wanted[port]), port=port)
        await asyncio.sleep(_GLANCE)


async def _answer(request: web.Request, ports: Mapping[int, HealthPort], *, healthy: bool) -> web.Response:
    name = None if request.transport is None else request.transport.get_extra_info("sockname")
    found = None if name is None else ports.get(name[1])
    if found is None:  # the service was removed this moment
        return web.Response(status=404)
    return web.json_response(
        {
            "service": {"namespace": found.namespace, "name": found.name},
            "localEndpoints": found.endpoints,
            "serviceProxyHealthy": healthy,
        },
        status=200 if found.endpoints and healthy else 503,
        headers={"X-Content-Type-Options": "nosniff", "X-Load-Balancing-Endpoint-Weight": str(found.endpoints)},
    )
