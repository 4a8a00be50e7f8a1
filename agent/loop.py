"""The agent's loop: it collects events for a moment, and then brings them into the kernel in one transaction.

An event after a quiet time is taken at once, with all that come within `_BREATH` seconds. Events that come while the
kernel is changed, and for `_TOGETHER` seconds after that, are collected. So a single event does not wait; and however
many events there are, the kernel is changed no more often than once in `_TOGETHER` seconds.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from ipaddress import ip_address

from svcc.agent import standings
from svcc.agent.answers import Asker
from svcc.agent.check_results import CheckResults
from svcc.agent.checks import Checks
from svcc.agent.drift import Drift
from svcc.agent.health import Health, Serving
from svcc.agent.judge import Judge, NotAgreed
from svcc.agent.leaving import Leaving
from svcc.agent.log import Log
from svcc.agent.metrics import Metrics
from svcc.agent.one_prefix import check_early, check_prefix
from svcc.agent.own_ports import OwnPorts
from svcc.agent.probe import Probe
from svcc.agent.source import ProgramSource
from svcc.agent.threads import in_thread
from svcc.agent.watch import Watch
from svcc.apply.drain import PATIENCE
from svcc.apply.driver import balances
from svcc.apply.engine import Event
from svcc.apply.installation import Installation
from svcc.apply.keeper import Kept
from svcc.apply.session import Session
from svcc.compiler import ir
from svcc.compiler.differing import differing_services
from svcc.compiler.errors import SvccError
from svcc.kernel.steps import Phase

#: Seconds from one change of the kernel to the next; events in between are collected.
_TOGETHER = 0.1
#: Seconds within which all parts of one event come: all slices of a service, or all services of a server that died.
_BREATH = 0.01
#: Seconds between two checks of whether a draining endpoint's time is over.
_GLANCE = 1.0
#: The least seconds between two times when the standings of all endpoints are written.
_NOTES = 10.0
#: Seconds between two times when those answers are written that say something new.
_SOON = 2.0
#: Seconds until a failed change is tried again: at first, and at most. They double each time.
_RETRY, _LONGEST = 1.0, 30.0
#: Seconds between two checks of how long the record of changes is.
_TIDY = 10.0


@dataclass(frozen=True, slots=True)
class Options:
    """How an agent keeps its machine.

    ``repair``: seconds until what others changed is put right; None for never. ``drain``: seconds for which an endpoint
    that leaves the file drains, where its connections end when it is removed (ipvs); None where they go on without it.
    ``node``: the name of the machine, where programs declare several.
    """

    repair: float | None = 10.0
    drain: float | None = PATIENCE
    node: str | None = None


class Agent:
    """An agent: it keeps one prefix of this machine as a source's program and its endpoints' health say. One loop runs
    it."""

    def __init__(
        self,
        source: ProgramSource,
        session: Session,
        asker: Asker,
        options: Options,
        log: Log,
        metrics: Metrics,
        ready: Callable[[], None],
        judge: Judge | None = None,
    ) -> None:
        """``ready`` is called when the machine is for the first time as the file says, and when a reload is done.
        ``judge`` confirms new programs; None where they need no confirmation.

        asyncio's loop has to run already.
        """
        self._now = asyncio.get_running_loop().time  # the clock of the checks, which is never put back
        self._source = source
        self._session = session
        session.tell = self._hear
        self._options = options
        self._log = log
        self._metrics = metrics
        self._ready = ready
        self._judge = judge
        self._last = None if judge is None else judge.known  # the last one that stayed
        self._notes = standings.Writer()
        self._results = CheckResults(log, metrics, self._now, self._turn, self._notes.turned)
        self._watch = Watch(source, log, metrics, self._now, partial(check_early, session, source))
        self._own_ports = OwnPorts(log, options.node)
        self._checks = Checks(asker, self._results.hear, self._results.miss)
        self._leaving = None if options.drain is None else Leaving(options.drain, options.node)
        self._program: ir.Program | None = None  # the last one that was read without errors
        self._joined: ir.Program | None = None  # the one in the kernel, with endpoints that joined it
        self._in_kernel: ir.Program | None = None  # the one in the kernel, as its endpoints' health has it
        self._measured: ir.Program | None = None  # the one that the metrics show
        self._new = False  # whether `_program` is not in the kernel yet
        self._first = True  # whether no program was followed yet
        self._served = False  # whether any program has been in the kernel
        self._event_at: float | None = None  # the time of the oldest event that is not in the kernel yet
        self._changed = asyncio.Event()
        self._kernel = asyncio.Lock()  # held by whoever uses the session
        self._changing = asyncio.Lock()  # held by whoever changes the kernel
        self._generation = 0  # the number of the reviewed generation in place
        self._down = 0  # how many probes failed when the kernel was last changed
        self._drift = Drift(session, options.repair, log, metrics, self._kernel, self._changing)
        self._fault = ""  # why the kernel does not hold what it should
        self._warnings: set[str] = set()  # those of the session that were logged
        self._served_at: float | None = None  # when the kernel served all of its last change
        self._noted_at = self._now()  # when all standings were written last

    @property
    def fault(self) -> str:
        """Why the machine is not as the file says; "" where it is."""
        return "; ".join(filter(None, (self._watch.fault, self._results.fault, self._fault, self._source.fault)))

    @property
    def serves(self) -> bool:
        """Whether the kernel holds what the agent last put there."""
        return self._served and not self._fault

    @property
    def down(self) -> int:
        """How many services have all their endpoints failing their checks."""
        checked = [one for one in (self._joined.services if self._joined is not None else ()) if one.check]
        return sum(self._results.health.all_fail(service) for service in checked)

    @property
    def drift(self) -> int:
        """How many objects others had changed, at the last reading."""
        return self._drift.objects

    def endpoints_changed(self) -> None:
        """Bring the endpoints into the kernel that joined the source's program, or left it again."""
        if self._program is not None:
            self._happened()

    async def between(self, work: Callable[[], None]) -> None:
        """Do work that changes the kernel, in a thread, while the agent does not change it."""
        async with self._changing:
            await in_thread(work)

    def reload(self) -> None:
        """Read the program now."""
        self._watch.read_now()

    async def run(self) -> None:
        """Run until cancelled. Errors: Kept where another process keeps the prefix."""
        self.reload()
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._watch.run(self._take, self._was_read), name="watch")
                tasks.create_task(self._source.follow(self.reload), name="follow")
                tasks.create_task(self._converge(), name="converge")
                tasks.create_task(self._drift.guard(lambda: self._served), name="guard")
                tasks.create_task(self._end_draining(), name="end draining")
                tasks.create_task(self._tidy(), name="tidy")
                tasks.create_task(self._note(), name="note")
        except ExceptionGroup as group:
            if kept := group.subgroup(Kept):
                raise kept.exceptions[0] from None
            raise
        finally:
            await self._checks.end()

    # ---- events

    def _take(self, program: ir.Program, since: float | None) -> None:
        """Take a program that was read. ``since``: when its source said that it changed; None where it did not."""
        if program != self._program:
            self._program, self._new = program, True
            self._log.info("read", **{self._source.kind: self._source.name}, services=len(program.services))
            self._happened(since)

    def _was_read(self) -> None:
        """Report that a reload is done, where it changed nothing."""
        if self._served and not self._new:
            self._ready()

    def _turn(self, probe: Probe) -> None:
        """Note that an endpoint came up or went down."""
        self._notes.turned(probe)
        self._happened()

    def _happened(self, since: float | None = None) -> None:
        """Have the kernel changed soon. ``since``: when the event happened, where that is not now."""
        if self._event_at is None:
            self._event_at = self._now() if since is None else since
        self._changed.set()

    # ---- the kernel

    async def _converge(self) -> None:
        pause, quiet = _RETRY, self._now()
        while True:
            await self._changed.wait()
            await asyncio.sleep(max(_BREATH, quiet - self._now()))
            self._changed.clear()
            if self._program is None:
                continue
            event, self._event_at = self._event_at, None
            done = await self._into_kernel()
            quiet = self._now() + _TOGETHER
            if done:
                pause = _RETRY
                self._say_done(event)
                self._served = True
                self._ready()
                await self._note_all()
            else:
                self._event_at = event
                self._metrics.failed()
                await asyncio.sleep(pause)
                pause = min(2 * pause, _LONGEST)
                self._changed.set()

    def _say_done(self, event: float | None) -> None:
        """Log how long an event took. ``event``: when it happened; None where there was none.

        ``seconds`` ends with the last step that serves something new. After it, leftovers are removed and the
        generation is recorded; ``recorded`` includes that.
        """
        came, now = self._served_at, self._now()
        seconds = None if event is None else (now if came is None else came) - event
        recorded = None if event is None else now - event
        self._metrics.applied(self._generation, seconds)
        self._log.info(
            "in the kernel", generation=self._generation, down=self._down, seconds=seconds, recorded=recorded
        )

    def _hear(self, event: Event) -> None:
        """Log warnings, each once, and note when the last step ends that serves something new. Called in the thread
        that changes the kernel."""
        if event.what == "warning" and event.words not in self._warnings:
            self._warnings.add(event.words)
            self._log.warning(event.words)
        if event.what == "done" and event.step is not None and event.step.phase <= Phase.ANNOUNCED:
            self._served_at = self._now()

    async def _note_all(self) -> None:
        """Write the standings of all endpoints now and then. It is done while events are collected, so none waits for
        it."""
        if not self._notes.appended or self._now() < self._noted_at + _NOTES:
            return
        self._noted_at = self._now()
        await self._noting(self._notes.write_all)

    async def _note(self) -> None:
        """Write soon what endpoints answered, where no change of the kernel does so anyway."""
        while True:
            await asyncio.sleep(_SOON)
            if self._served and self._notes.waits:
                async with self._kernel:
                    await self._noting(self._notes.write_all if self._notes.long else self._notes.write)

    async def _noting(self, write: Callable[[Installation, Health], None]) -> None:
        try:
            await in_thread(partial(write, self._session.installation, self._results.health))
        except OSError as error:
            self._log.error("the endpoints' health cannot be recorded", reason=str(error))

    async def _into_kernel(self) -> bool:
        """Make the kernel hold the program as its endpoints' health has it. Return whether it does."""
        program, new = self._program, self._new
        if program is None:
            return True
        async with self._kernel, self._changing:
            try:
                await self._drift.glance()
                joined = self._source.joined(program)
                moved = joined is not self._joined
                if new:
                    await in_thread(partial(self._own_ports.tell, program))
                if new or moved:
                    await self._follow(program, joined, new=new)
                    self._joined = joined
                made, self._down = self._results.health.served_all(joined), self._results.health.down
                self._in_kernel = await in_thread(lambda: self._apply(program, made, new=new))
                if self._judge is not None and new:
                    await self._judged(self._judge, program)
            except Kept:
                raise
            except (SvccError, OSError) as error:
                self._fault = str(error).partition("\n")[0]
                self._log.error("not in the kernel", reason=str(error))
                if self._judge is not None and new and program is self._program is not self._last:
                    self._give_up(self._judge, program, str(error))
                return False
            if program is self._program:
                self._new = False
        self._fault = ""
        if joined is not self._measured:
            self._results.turned |= differing_services(self._measured, joined).keys()
        self._source.note_taken(joined)
        self._metrics.served(joined, self._results.health, self._results.turned)
        self._measured = joined
        self._results.turned.clear()
        return True

    async def _judged(self, judge: Judge, program: ir.Program) -> None:
        """Keep a new program if its judge agrees; else go back to the one before. Errors: NotAgreed."""
        if program is not self._last and await in_thread(lambda: self._session.unconfirmed):
            agreed = await judge.agrees(program)
            if not await in_thread(lambda: self._session.settle(keep=agreed)):
                raise NotAgreed("nobody confirmed it in time, and the machine went back")
        self._last = program
        judge.note_kept(program)

    def _give_up(self, judge: Judge, program: ir.Program, why: str) -> None:
        """Go on with the program that was kept before."""
        self._program, self._in_kernel = self._last, None
        self._new = self._last is not None
        self._fault = ""
        judge.note_failed(program, why)

    async def _follow(self, program: ir.Program, joined: ir.Program, *, new: bool) -> None:
        """Check the endpoints of a program, and those that joined it. Endpoints that serve already are up until they
        fail."""
        if new:
            await in_thread(lambda: check_prefix(self._session, self._source, program))
        installation = await in_thread(lambda: self._session.keep(program))
        if self._first:
            noted = await in_thread(lambda: standings.read(installation))
            self._results.health = Health({key: one.standing for key, one in noted.items()})
            self._first = False
            if self._judge is not None and await in_thread(lambda: self._session.unconfirmed):
                await in_thread(lambda: self._session.settle(keep=False))  # the agent that was to confirm it is dead
        asks = new and any(one.check is not None for one in differing_services(self._joined, joined).values() if one)
        serving = await in_thread(lambda: _serving(installation)) if asks else frozenset()
        asked = self._results.health.standings
        self._results.health.follow(joined, serving, time.time())
        if self._results.health.standings is not asked:
            self._checks.follow(self._results.health.standings.keys())
        if self._leaving is not None:
            await in_thread(partial(self._start_draining, self._leaving, installation, joined))

    def _start_draining(self, leaving: Leaving, installation: Installation, program: ir.Program) -> None:
        """Have endpoints drain that are in the kernel, and not in the program. Called in a thread."""
        before, current = self._in_kernel, installation.current
        if before is None and current is not None and balances(current.target):
            kept = installation.program(current)
            with suppress(ValueError):  # the recorded program is damaged: what drains is not known
                before = None if kept is None else kept.program()
        if before is not None and (number := leaving.follow(before, program, self._now())):
            self._log.info("endpoints left, and drain", endpoints=number)

    async def _end_draining(self) -> None:
        """Have endpoints removed from the kernel when their time to drain is over."""
        while True:
            await asyncio.sleep(_GLANCE)
            due = None if self._leaving is None else self._leaving.due
            if due is not None and due <= self._now():
                self._changed.set()

    async def _tidy(self) -> None:
        """Keep the record of changes short, by writing the whole. No change waits for that."""
        while True:
            await asyncio.sleep(_TIDY)
            try:
                if self._session.untidy and await in_thread(self._session.tidy):
                    self._log.info("the state was compacted", generation=self._generation)
            except (SvccError, OSError) as error:
                self._log.warning("the state cannot be compacted", reason=str(error))

    def _apply(self, program: ir.Program, made: ir.Program, *, new: bool) -> ir.Program:
        """Have the session serve ``made``, the program without the endpoints that are down. Called in a thread.

        The generation records the program as it was reviewed; how it is served is recorded beside that. Return what is
        served: ``made``, and the endpoints that drain.
        """
        self._served_at = None
        if self._leaving is not None:
            self._leaving.expire(self._now())
            made = self._leaving.with_leaving(made)
        # The standings are written before the kernel changes. So whoever sees a change, or that the kernel refused it,
        # finds the reason. And where this process is killed in between, the next one knows what the checks said, and
        # does the rest. In the other order it would take a dead endpoint for one that is up, and put it back.
        self._notes.write(self._session.installation, self._results.health)
        name = self._source.name
        seconds = None if self._judge is None or program is self._last else self._judge.seconds
        self._session.expect(self._source.compiled(program) if new else None)
        generation = self._session.follow(program, made, name, seconds) if new else self._session.adjust(made)
        self._generation = generation.reviewed
        self._drift.remember()
        return made


def _serving(installation: Installation) -> frozenset[Serving]:
    """Return the endpoints that get new connections now."""
    summary = installation.summary(installation.current)
    ends = {
        (one.service, address, port) for one in summary.frontends for address, port, weight in one.endpoints if weight
    }
    return frozenset((service, ip_address(address), port) for service, address, port in ends)
