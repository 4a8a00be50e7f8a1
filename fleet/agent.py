"""The agent of a node in a fleet: while it runs, the node serves what its fleet wants of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial

from svcc.agent import notify, service
from svcc.agent.log import Log
from svcc.agent.loop import Options
from svcc.agent.metrics import Metrics
from svcc.apply.session import Session
from svcc.fleet.node import FleetNode


async def run(
    node: FleetNode,
    session: Callable[[str], Session],
    options: Callable[[str], Options],
    log: Log,
    listen: tuple[str, int] | None,
) -> None:
    """Run until SIGTERM or SIGINT; the rules stay in place. ``session`` and ``options`` make those of a target.

    Errors: as of :func:`svcc.agent.service.run`.
    """
    work = {"obey": node.obey(), "gather": node.gather(), "show": node.show(), "hold": node.hold()}
    tasks = [asyncio.create_task(one, name=name) for name, one in work.items()]
    try:
        while True:
            if not node.target:
                async with service.listening(listen, Metrics(), lambda: node.fault, log):
                    await _first(node)
            target = node.target
            with session(target) as kept:
                beside = partial(node.beside, target=target)
                await service.run(node, kept, options(target), log, listen, node, beside)
            if node.target == target:
                return  # a signal ended the agent
            log.info("another target is wanted", target=node.target)
    finally:
        await node.leave()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _first(node: FleetNode) -> None:
    """Wait until the fleet wants something of the node. Until then there is nothing to serve, which is no fault."""
    notify.notify("READY=1")
    alive = asyncio.create_task(service.sign_of_life(), name="watchdog")
    try:
        await node.until_aimed()
    finally:
        alive.cancel()
        await asyncio.gather(alive, return_exceptions=True)
