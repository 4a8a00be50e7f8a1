"""Runs work that takes longer than an answer may. Each piece has a process of its own, which ends when a newer text
comes.

The processes are forked from one that has imported what they need and does nothing else, so that they start at once.
"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerContext, ForkServerProcess
from threading import Event
from typing import Any, TypeVar

T = TypeVar("T")

#: The modules to import before processes are forked.
_IMPORTED = ["svcc.lsp.work"]
#: How many pieces of work run at the same time; others wait.
_AT_ONCE = 4


class Failed(Exception):
    """A piece of work did not finish: svcc has a bug, or the machine ended the process."""


class Jobs:
    """Runs functions of :mod:`svcc.lsp.work`."""

    def __init__(self) -> None:
        self._context: ForkServerContext = get_context("forkserver")
        self._context.set_forkserver_preload(_IMPORTED)
        self._threads = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="job")
        self._running: set[_Job] = set()

    async def run(self, work: Callable[..., T], *arguments: object) -> T:
        """Return what ``work`` returns. Cancelling the call ends the process. Errors: Failed."""
        job = _Job(self._context, work, arguments)
        self._running.add(job)
        try:
            result: T = await asyncio.get_running_loop().run_in_executor(self._threads, job.run)
            return result
        finally:
            job.end()
            self._running.discard(job)

    def end(self) -> None:
        """End all work that runs."""
        for job in [*self._running]:
            job.end()
        self._threads.shutdown(wait=False, cancel_futures=True)


class _Job:
    def __init__(self, context: ForkServerContext, work: Callable[..., Any], arguments: tuple[object, ...]) -> None:
        self._context = context
        self._work = work
        self._arguments = arguments
        self._process: ForkServerProcess | None = None
        self._ended = Event()

    def run(self) -> Any:
        """Run the work. This runs in a thread of its own."""
        theirs: Connection
        ours, theirs = self._context.Pipe(duplex=False)
        with ours:
            process = self._context.Process(target=_work, args=(theirs, self._work, self._arguments), daemon=True)
            if self._ended.is_set():
                raise Failed("it was ended before it began")
            process.start()
            theirs.close()
            self._process = process
            if self._ended.is_set():
                process.kill()
            try:
                good, result = ours.recv()
            except EOFError:
                process.join()
                raise Failed(f"the process ended with status {process.exitcode}") from None
            self._process = None
            process.join()
            process.close()
        if not good:
            raise Failed(result)
        return result

    def end(self) -> None:
        self._ended.set()
        process = self._process
        if process is not None:
            with suppress(ValueError):  # the process has just ended by itself
                process.kill()


def _work(answer: Connection, work: Callable[..., Any], arguments: tuple[object, ...]) -> None:
    """Do the work, and send the result or the error. This runs in the process."""
    import traceback

    gc.disable()  # the process ends before cycles matter
    try:
        result = (True, work(*arguments))
    except Exception:  # noqa: BLE001 - whatever it is, the server has to go on
        result = (False, traceback.format_exc())
    answer.send(result)
