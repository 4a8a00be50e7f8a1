"""Ask all probes of a program again and again, each at its own times."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Collection

from svcc.agent.answers import Asker, NotAsked
from svcc.agent.probe import Answer, Probe

#: How much earlier or later than its interval a probe is asked, as a share of that. Else probes that once were asked at
#: the same time would stay together.
_JITTER = 0.1

#: Called with every answer.
Hear = Callable[[Probe, Answer], None]
#: Called with the reason why a probe could not be asked.
Miss = Callable[[Probe, str], None]


class Checks:
    """The tasks that ask probes, one for each. ``follow`` says which probes there are."""

    def __init__(self, asker: Asker, hear: Hear, miss: Miss) -> None:
        self._asker = asker
        self._hear = hear
        self._miss = miss
        self._tasks: dict[Probe, asyncio.Task[None]] = {}

    def follow(self, probes: Collection[Probe]) -> None:
        """Ask these probes from now on, and no others. Those that were asked before keep their times."""
        for probe in [*self._tasks]:
            if probe not in probes:
                self._tasks.pop(probe).cancel()
        for probe in probes:
            if probe not in self._tasks:
                self._tasks[probe] = asyncio.create_task(self._ask(probe), name=str(probe))

    async def end(self) -> None:
        """Cancel all checks, and wait until their connections are closed."""
        tasks = [*self._tasks.values()]
        self.follow(())
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _ask(self, probe: Probe) -> None:
        """Ask a probe for the first time soon, so that a new endpoint's state is known; then at the check's
        interval."""
        loop, every = asyncio.get_running_loop(), probe.check.every
        due = loop.time() + random.uniform(0, min(every, 1.0))
        while True:
            await asyncio.sleep(due - loop.time())
            try:
                answer = await self._asker.ask(probe)
            except NotAsked as error:
                self._miss(probe, str(error))
            else:
                self._hear(probe, answer)
            due = max(due + every * random.uniform(1 - _JITTER, 1 + _JITTER), loop.time())
