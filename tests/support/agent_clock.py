"""An agent with a clock of its own: its time advances only as far as a test lets it, and never while anything is at
work.

The kernel, the servers and all connections are real. Only waiting costs no time, and a claim like "within 3 s" is exact
on any machine.
"""

from __future__ import annotations

import asyncio
import selectors
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from support.waiting import until
from svcc.agent.answers import Asker
from svcc.agent.log import Field, Level, Log
from svcc.agent.loop import Agent, Options
from svcc.agent.metrics import Metrics
from svcc.agent.probe import Answer, Probe
from svcc.agent.source import FileSource
from svcc.apply.session import Session
from svcc.kernel.namespaces import Namespace

#: Seconds between two checks of whether the agent has ended.
_LOOK = 0.2


class _Selector(selectors.DefaultSelector):
    """A selector that never waits for time. Where nothing is at work, it advances the clock to the next time-out, as
    far as that is allowed."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.limit = 0.0
        self.at_work = 0  # how many probes are being asked, and threads run
        self.idle = threading.Event()  # set when nothing more happens up to the limit; each limit has its own event

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if ready or timeout == 0:
            return ready
        if self.at_work:
            return super().select(None)
        if timeout is not None and self.now + timeout <= self.limit:
            self.now += timeout
            return ready
        self.now = self.limit
        self.idle.set()
        return super().select(None)


class _Loop(asyncio.SelectorEventLoop):
    def __init__(self, clock: _Selector) -> None:
        self._clock = clock
        super().__init__(clock)

    def time(self) -> float:
        return self._clock.now

    def run_in_executor(  # type: ignore[override]  # the stub names type variables that differ between releases
        self, executor: Executor | None, func: Callable[..., Any], *args: Any
    ) -> asyncio.Future[Any]:
        self._clock.at_work += 1
        future = super().run_in_executor(executor, func, *args)
        future.add_done_callback(self._done)
        return future

    def _done(self, _: asyncio.Future[Any]) -> None:
        self._clock.at_work -= 1


class _Asker(Asker):
    def __init__(self, clock: _Selector) -> None:
        super().__init__()
        self._clock = clock

    async def ask(self, probe: Probe) -> Answer:
        self._clock.at_work += 1
        try:
            return await super().ask(probe)
        finally:
            self._clock.at_work -= 1


class _Log(Log):
    """A log that keeps what is logged, with the clock's time."""

    def __init__(self, clock: _Selector) -> None:
        super().__init__()
        self._clock = clock
        self.events: list[tuple[float, Level, str, dict[str, Field]]] = []

    def _say(self, level: Level, event: str, fields: dict[str, Field]) -> None:
        self.events.append((self._clock.now, level, event, fields))


class Clocked:
    """An agent in a thread of this process, in a namespace."""

    def __init__(self, namespace: Namespace, file: Path, target: str, state: Path) -> None:
        self._clock = _Selector()
        self._loop = _Loop(self._clock)
        self._log = _Log(self._clock)
        self._namespace = namespace
        self._file = file
        self._session = Session(target, state_dir=state, what="an agent of a test", waits=False)
        self._task: asyncio.Task[None] | None = None
        self._agent: Agent | None = None
        self._error: BaseException | None = None
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="agent")

    @property
    def now(self) -> float:
        return self._clock.now

    @property
    def events(self) -> list[tuple[float, Level, str, dict[str, Field]]]:
        """All that was logged: the time, the level, the event and its fields."""
        return self._log.events

    def advance(self, seconds: float) -> None:
        """Let time advance, and wait until everything that happens in it has happened."""
        idle = threading.Event()
        self._loop.call_soon_threadsafe(self._allow, self._clock.limit + seconds, idle)
        until(lambda: idle.wait(_LOOK) or self._ended.is_set(), "the agent has nothing left to do")
        if self._error is not None:
            pytest.fail(f"the agent ended: {self._error!r}; {self.events[-5:]}")

    def reload(self) -> None:
        """Have the file read when time next advances, or sooner."""
        assert self._agent is not None, "it runs"
        self._loop.call_soon_threadsafe(self._agent.reload)

    def _allow(self, limit: float, idle: threading.Event) -> None:
        self._clock.limit, self._clock.idle = limit, idle

    def _run(self) -> None:
        try:
            with self._namespace.entered(), self._session:
                asyncio.set_event_loop(self._loop)
                self._loop.run_until_complete(self._keep())
        except BaseException as error:  # noqa: BLE001  # `advance` reports it
            self._error = error
        finally:
            self._ended.set()

    async def _keep(self) -> None:
        self._task = asyncio.current_task()
        async with _Asker(self._clock) as asker:
            source = FileSource(str(self._file))
            self._agent = Agent(source, self._session, asker, Options(), self._log, Metrics(), lambda: None)
            try:
                await self._agent.run()
            except asyncio.CancelledError:
                return

    @contextmanager
    def running(self) -> Iterator[None]:
        self._thread.start()
        try:
            yield
        finally:
            if self._thread.is_alive() and self._task is not None:
                self._loop.call_soon_threadsafe(self._task.cancel)
            self._thread.join()
            self._loop.close()
