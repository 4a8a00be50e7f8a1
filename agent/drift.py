"""Find, report and repair what others change of our objects in the kernel."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from svcc.agent.log import Log
from svcc.agent.metrics import Metrics
from svcc.agent.threads import in_thread
from svcc.apply.session import Session
from svcc.compiler.errors import SvccError
from svcc.kernel.nft.generation import mark
from svcc.kernel.steps import Change

#: Seconds between two readings of the kernel's generation number of its rules.
_GLANCE = 1.0
#: Seconds between two readings of all our objects in the kernel: changes of some of them do not change that number.
_LOOK = 10.0
#: How many changes a line of the log names.
_NAMED = 5


class Drift:
    """The difference between the kernel and what was put into it last."""

    def __init__(
        self,
        session: Session,
        repair: float | None,
        log: Log,
        metrics: Metrics,
        kernel: asyncio.Lock,
        changing: asyncio.Lock,
    ) -> None:
        """``repair``: seconds until what others changed is put right; None for never. ``kernel`` is held by those who
        use the session, ``changing`` by those who change the kernel.
        """
        self._session = session
        self._repair_after = repair
        self._log = log
        self._metrics = metrics
        self._kernel = kernel
        self._changing = changing
        self._mark = ""  # the kernel's number when its rules were right last; "" before that
        self.objects = 0  # how many objects others had changed, at the last reading

    def remember(self) -> None:
        """Note that the kernel's rules are as they should be. Called in a thread, with ``kernel`` held."""
        self._mark = mark()

    async def glance(self) -> None:
        """Report what others changed, if the kernel's generation number says that there is something. ``kernel`` is
        held.

        So a change is reported even where the next transaction repairs it before :meth:`guard` sees it.
        """
        if self._mark and mark() != self._mark:
            self._report(await self._look())

    async def guard(self, serves: Callable[[], bool]) -> None:
        """Compare again and again, without end. ``serves``: whether anything of ours is in the kernel yet."""
        now = asyncio.get_running_loop().time
        looked, since = now(), None
        while True:
            await asyncio.sleep(_GLANCE)
            if not serves():
                continue
            moved = mark() != self._mark
            if not moved and since is None and now() - looked < _LOOK:
                continue
            async with self._kernel:
                changes = await self._look()
                self._mark = mark()
            looked = now()
            if not changes:
                since = None
                continue
            if since is None:
                since = looked
                self._report(changes)
            if self._repair_after is not None and looked - since >= self._repair_after:
                since = None if await self._repair() else since

    async def _look(self) -> tuple[Change, ...]:
        """Return the changes that would repair the kernel; none where it cannot be read, which is logged."""
        try:
            changes = await in_thread(self._session.drift)
        except (SvccError, OSError) as error:
            self._log.error("what is in the kernel cannot be read", reason=str(error))
            return ()
        self.objects = len(changes)
        self._metrics.drifted(len(changes))
        return changes

    def _report(self, changes: tuple[Change, ...]) -> None:
        if not changes:
            return
        named = "; ".join(map(str, changes[:_NAMED])) + ("; …" if len(changes) > _NAMED else "")
        self._log.warning("somebody changed what is ours", objects=len(changes), to_put_right=named)

    async def _repair(self) -> bool:
        async with self._kernel, self._changing:
            try:
                changes = await in_thread(self._session.repair)
            except (SvccError, OSError) as error:
                self._log.error("what others changed cannot be put right", reason=str(error))
                return False
            self._mark = mark()
        self.objects = 0
        self._metrics.repaired()
        self._log.info("put right", objects=len(changes))
        return True
