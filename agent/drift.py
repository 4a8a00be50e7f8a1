"""What others change of what is ours in the kernel: it is seen, reported, and put right in time."""

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

#: Seconds between looks at the kernel's number for its rules.
_GLANCE = 1.0
#: Seconds between looks at all that is ours in the kernel, of which not everything moves that number.
_LOOK = 10.0
#: Changes that a line of the log names.
_NAMED = 5


class Drift:
    """How far the kernel is from what was put in it last."""

    def __init__(
        self,
        session: Session,
        repair: float | None,
        log: Log,
        metrics: Metrics,
        kernel: asyncio.Lock,
        changing: asyncio.Lock,
    ) -> None:
        """``repair``: seconds until what somebody changed is put right; None: never. ``kernel``: held by whoever uses
        the session; ``changing``: by whoever changes the kernel.
        """
        self._session = session
        self._repair_after = repair
        self._log = log
        self._metrics = metrics
        self._kernel = kernel
        self._changing = changing
        self._mark = ""  # the kernel's number when its rules were as they should be; "": they never were
        self.objects = 0  # that somebody changed, at the last look

    def remember(self) -> None:
        """The rules in the kernel are as they should be. In a thread, with ``kernel`` held."""
        self._mark = mark()

    async def glance(self) -> None:
        """Report what somebody changed, if the kernel's number says that there is something. ``kernel`` is held.

        So it is reported also where the next transaction puts it right before :meth:`guard` sees it.
        """
        if self._mark and mark() != self._mark:
            self._report(await self._look())

    async def guard(self, serves: Callable[[], bool]) -> None:
        """Look again and again, without end. ``serves``: whether anything of ours is in the kernel yet."""
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
        """What leads back from what the kernel holds; nothing where it cannot be read, which is logged."""
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
                self._log.error("it cannot be put right", reason=str(error))
                return False
            self._mark = mark()
        self.objects = 0
        self._metrics.repaired()
        self._log.info("put right", objects=len(changes))
        return True
