"""An agent as a process, from start to end: its signals, its supervisor, its HTTP server."""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import Any

from svcc.agent import notify
from svcc.agent.answers import Asker
from svcc.agent.health_ports import answering
from svcc.agent.judge import Judge
from svcc.agent.log import Log, quiet_libraries
from svcc.agent.loop import Agent, Options
from svcc.agent.metrics import Metrics
from svcc.agent.source import ProgramSource
from svcc.agent.web import serving
from svcc.apply.session import Session
from svcc.compiler.errors import SvccError

#: How many descriptors this process asks for, as far as it may have them: each check has one while it waits.
_DESCRIPTORS = 65_536


class CannotListen(SvccError):
    """Another program has the port, or this machine does not have the address."""


async def run(
    source: ProgramSource,
    session: Session,
    options: Options,
    log: Log,
    listen: tuple[str, int] | None,
    judge: Judge | None = None,
    beside: Callable[[Agent], Awaitable[None]] | None = None,
) -> None:
    """Keep the machine until SIGTERM or SIGINT; the rules stay in place. SIGHUP reads the program again.

    ``listen``: address and port of the HTTP server; ``judge``: as of :class:`Agent`; ``beside``: what runs beside the
    agent; when one of the two ends, so does the other. Errors: CannotListen where the address and port cannot be had.
    """
    _take_descriptors()
    quiet_libraries()
    loop, stop, metrics = asyncio.get_running_loop(), asyncio.Event(), Metrics()
    loop.set_exception_handler(lambda _, what: log.error("unexpected error", reason=_words(what)))
    async with AsyncExitStack() as stack:
        asker = await stack.enter_async_context(Asker())
        agent = Agent(source, session, asker, options, log, metrics, lambda: notify.notify("READY=1"), judge)
        await stack.enter_async_context(listening(listen, metrics, lambda: agent.fault, log))
        await stack.enter_async_context(answering(lambda: source.health_ports, lambda: agent.serves, log))
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        loop.add_signal_handler(signal.SIGHUP, _reload, agent)
        tasks = [
            asyncio.create_task(agent.run(), name="agent"),
            asyncio.create_task(sign_of_life(), name="watchdog"),
            asyncio.create_task(stop.wait(), name="stop"),
        ]
        if beside is not None:
            tasks.append(asyncio.create_task(_awaited(beside(agent)), name="beside"))
        ended, others = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        if stop.is_set():  # else the caller may go on, and systemd ends a process that says so, and does not end
            notify.notify("STOPPING=1")
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        for task in ended:
            task.result()  # where the agent ended by itself, this raises its error
    if stop.is_set():
        log.info("the agent ends; the rules stay in place")


@asynccontextmanager
async def listening(
    listen: tuple[str, int] | None, metrics: Metrics, fault: Callable[[], str], log: Log
) -> AsyncIterator[None]:
    """Run the HTTP server inside the ``with`` block. ``fault``: why the machine is not as it should be. Errors:
    CannotListen."""
    async with AsyncExitStack() as stack:
        if listen is not None:
            try:
                address, port = await stack.enter_async_context(serving(*listen, metrics, fault))
            except OSError as error:
                why = error.strerror if isinstance(error, socket.gaierror) else os.strerror(error.errno or 0)
                raise CannotListen(f"cannot listen on {listen[0]} port {listen[1]}: {why}") from error
            log.info("listening", address=address, port=port)
        yield


def _words(what: dict[str, Any]) -> str:
    """Return asyncio's report of an error that no code waits for."""
    error = what.get("exception")
    return what["message"] if error is None else f"{what['message']}: {error}"


def _take_descriptors() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = _DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, _DESCRIPTORS)
    if soft != resource.RLIM_INFINITY and soft < most:
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


def _reload(agent: Agent) -> None:
    notify.reloading()
    agent.reload()


async def _awaited(what: Awaitable[None]) -> None:
    await what


async def sign_of_life() -> None:
    """Tell systemd again and again that the agent's loop runs."""
    pause = notify.watchdog_pause()
    while True:
        await asyncio.sleep(3600 if pause is None else pause)
        if pause is not None:
            notify.notify("WATCHDOG=1")
