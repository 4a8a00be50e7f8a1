"""Read the programs of a source: when somebody asks for it, and when the source says that its program changed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress

from svcc.agent.log import Log
from svcc.agent.metrics import Metrics
from svcc.agent.source import ProgramSource
from svcc.agent.threads import in_thread
from svcc.compiler import ir
from svcc.compiler.errors import InputError
from svcc.compiler.report import as_text

#: Seconds between two questions to the source whether its program changed.
_GLANCE = 1.0


class Watch:
    """The reader of a source. ``fault``: why the last program was not taken; "" where it was."""

    def __init__(
        self,
        source: ProgramSource,
        log: Log,
        metrics: Metrics,
        now: Callable[[], float],
        check: Callable[[ir.Program], None],
    ) -> None:
        """``now``: a clock that is never put back, in seconds; ``check`` raises an InputError where a program cannot be
        taken here. It is called in a thread. asyncio's loop has to run already."""
        self._source, self._log, self._metrics, self._now = source, log, metrics, now
        self._check = check
        self.fault = ""
        self._asked = asyncio.Event()
        self._noticed_at: float | None = None  # when a change was first reported; None where the program was read since

    def read_now(self) -> None:
        """Read the program now, whether it is known to have changed or not."""
        if self._noticed_at is None:
            self._noticed_at = self._now()
        self._asked.set()

    async def run(self, take: Callable[[ir.Program, float | None], None], done: Callable[[], None]) -> None:
        """Read programs without end. ``take`` is called with a program without errors and the time at which its change
        was first reported; ``done`` after each reading."""
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(_GLANCE):
                    await self._asked.wait()
            if self._asked.is_set() or await in_thread(self._source.changed):
                self._asked.clear()
                await self._read(take)
                done()

    async def _read(self, take: Callable[[ir.Program, float | None], None]) -> None:
        """Read the program, and take it. One that has errors or is not known yet changes nothing."""
        source = self._source
        noticed, self._noticed_at = self._noticed_at, None
        try:
            program = await in_thread(self._checked)
        except InputError as error:
            self.fault = f"{source.name} has errors"
            self._metrics.read(len(error.diagnostics))
            self._log.error(f"the {source.kind} has errors, and changes nothing", **{source.kind: source.name})
            for line in as_text(error.diagnostics).splitlines():
                self._log.error(line)
            return
        if self.fault:
            self.fault = ""
            self._log.info(f"the {source.kind} has no errors any more", **{source.kind: source.name})
        self._metrics.read(0)
        if program is not None:
            take(program, noticed)

    def _checked(self) -> ir.Program | None:
        program = self._source.read()
        if program is not None:
            self._check(program)
        return program
