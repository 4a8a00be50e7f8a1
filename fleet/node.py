"""A node of a fleet: it fetches what etcd wants of it, checks that, gives it to the agent, and reports the result to
etcd.

No decision depends on a clock that people set. Where etcd is down, everything stays as it is.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import aclosing, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from svcc.agent.log import Log
from svcc.agent.loop import Agent
from svcc.agent.one_prefix import other_prefixes
from svcc.agent.source import ProgramSource
from svcc.apply.store import Store
from svcc.apply.wanted import Wanted
from svcc.compiler import ir
from svcc.compiler.errors import SvccError
from svcc.etcd.client import Client
from svcc.etcd.errors import EtcdError, History, NoLease, Unreachable
from svcc.etcd.leases import Held
from svcc.fleet.blobs import unpack
from svcc.fleet.documents import Compiled, NodeState, Status, Want, plain
from svcc.fleet.errors import BadProgram, FleetError
from svcc.fleet.holding import LEASE, Holding
from svcc.fleet.keys import Keys
from svcc.fleet.living import Living
from svcc.fleet.members import Members
from svcc.fleet.prefixes import OtherPrefix, same_prefix
from svcc.fleet.reading import pieces_of, release_of
from svcc.fleet.record import Record, forget_programs, keep_program, kept_program, program_in_place
from svcc.fleet.release import Taken, read_program, take
from svcc.fleet.signatures import verify

#: Seconds after which an agent that died is known to be dead.
_LEASE = 10
#: What people should do where etcd knows less than a node.
_ADOPT = "was etcd restored from a backup? See what it wants (`svcc fleet status`), then `svcc fleet adopt`"
#: Seconds between two checks of whether the node's status changed, and until what failed is tried again.
_GLANCE, _AGAIN = 0.5, 2.0
#: Seconds after which a second member of etcd is asked whether a release stays: the first may hang.
_PATIENCE = 0.5


@dataclass(frozen=True, slots=True)
class _Task:
    """What the node is doing: a want, the program that it led to, and what was published of that for this node."""

    want: Want
    program: ir.Program
    published: Compiled


class FleetNode(ProgramSource):
    """A node: the source of its agent's programs, and the judge of each. A program stays if etcd can still be asked."""

    kind = "fleet"

    def __init__(
        self,
        client: Callable[[], Client],
        keys: Keys,
        name: str,
        root: Path,
        log: Log,
        signers: Path | None = None,
        seconds: float = 15.0,
        version: str = "",
        lease: int = LEASE,
    ) -> None:
        """``client``: makes a client that is not entered yet; ``root``: the state directory; ``signers``: the file of
        those who may sign releases, None where these need no signature; ``seconds``: within which etcd has to answer
        after an apply; ``lease``: seconds after which others take announced addresses if this machine dies.

        A kept program that this svcc compiles to other rules than were published is not followed: the kernel stays as
        it is until etcd wants another program.

        Errors: BadDocument, OtherFleet, OSError in reading what was kept.
        """
        self._client, self._keys, self._name, self._root, self._log = client, keys, name, root, log
        self._signers, self.seconds, self._version = signers, seconds, version
        self._record = Record.read(root, keys.fleet, name)
        self._compiled: Wanted | None = None  # the next program, compiled when its hash was checked
        self._unfollowed = ""  # why what was served cannot be followed
        self.known = self._kept()
        self.target = "" if self.known is None else self._record.target  # the agent's target; "" while none is known
        self._program = self.known
        self._members = Members(root, keys, log)
        self._holding = Holding(client, keys, name, root, log, lease)
        self._living = Living(keys, name, root, log)
        self._holding.changed = self._endpoints_changed
        self._holding.between = self._between
        self._new = False
        self._task: _Task | None = None
        self._status: Status | None = None
        self._agent: Agent | None = None
        self._moved = asyncio.Event()  # set when the target changes
        self._news = asyncio.Event()  # set when there is something to report

    def _kept(self) -> ir.Program | None:
        """Return the program that was served when an agent last ran; None where there is none, or it cannot be followed
        any more."""
        try:
            kept = kept_program(self._root, self._record)
        except (SvccError, OSError) as error:
            kept = None if isinstance(error, BadProgram) else program_in_place(self._root, self._record)
            if kept is None:
                self._unfollowed = f"the saved program cannot be followed: {error}"
                self._log.error("the saved program cannot be followed; the kernel stays as it is", reason=str(error))
                return None
            self._log.warning(
                "the saved program is damaged; that of the generation in place is taken", reason=str(error)
            )
            with suppress(OSError):  # whoever starts next takes the other one again
                keep_program(self._root, self._record.release, kept.program)
        if kept is None:
            return None
        self._compiled = kept.compiled
        return kept.program

    # ---- the source of programs

    @property
    def name(self) -> str:
        release = self._record.release if self._task is None else self._task.want.release
        return f"release {release} of fleet {self._keys.fleet}"

    @property
    def fault(self) -> str:
        return self._unfollowed if self.known is None else ""

    def made(self, source: str) -> bool:
        return source.startswith("release ") and source.endswith(f" of fleet {self._keys.fleet}")

    def read(self) -> ir.Program | None:
        self._new = False
        return self._program

    def compiled(self, program: ir.Program) -> Wanted | None:
        found, self._compiled = self._compiled, None
        return found if found is not None and found.program is program else None

    def joined(self, program: ir.Program) -> ir.Program:
        return self._holding.joined(self._members.joined(program, self.target, self._name), self.target)

    def note_taken(self, joined: ir.Program) -> None:
        self._holding.note_taken(joined)

    def changed(self) -> bool:
        return self._new

    # ---- the judge of programs

    async def agrees(self, program: ir.Program) -> bool:
        """Return whether etcd can be asked over a new connection, and still wants what was applied."""
        task = self._task
        if task is None or program is not task.program:
            return False
        loop = asyncio.get_running_loop()
        end = loop.time() + self.seconds * 0.8  # less, so that the machine does not go back at the same time
        while loop.time() < end:
            try:
                async with asyncio.timeout(max(0.1, end - loop.time())), self._client() as etcd:
                    entry = await etcd.get(self._keys.want(self._name), patience=_PATIENCE)
                return entry is not None and Want.read(entry.key, entry.value) == task.want
            except (EtcdError, TimeoutError, OSError) as error:
                self._log.warning("etcd cannot be asked after the apply", reason=str(error) or "no answer came")
                await asyncio.sleep(_GLANCE)
            except FleetError:
                return False
        return False

    def note_kept(self, program: ir.Program) -> None:
        """Record that the agent serves a program, and report that."""
        task = self._task
        if task is None or program is not task.program:
            return
        self._task, self.known = None, program
        published = task.published
        self._record = replace(
            self._record, release=task.want.release, target=published.target, bundle=published.bundle
        )
        try:
            self._record.write(self._root)
            forget_programs(self._root, task.want.release)
        except OSError as error:
            self._log.error("the record of the served release cannot be saved", reason=str(error))
        self._say(task.want, NodeState.APPLIED)

    def note_failed(self, program: ir.Program, why: str) -> None:
        """Go back to the program before, as this one cannot be served, and report that. ``why``: the reason."""
        task = self._task
        if task is None or program is not task.program:
            return
        self._task, self._program, self._new = None, self.known, False
        self._say(task.want, NodeState.FAILED, why)
        self._aim(self._record.target)

    # ---- its life beside the agent

    async def beside(self, agent: Agent, target: str) -> None:
        """Run beside an agent for a target; end when another target is wanted."""
        self._agent = agent
        try:
            while self.target == target:
                self._moved.clear()
                await self._moved.wait()
        finally:
            self._agent = None

    async def until_aimed(self) -> None:
        """Wait until there is a target."""
        while not self.target:
            self._moved.clear()
            await self._moved.wait()

    async def obey(self) -> None:
        """Follow what etcd wants of this node, without end."""
        key = self._keys.want(self._name)
        while True:
            try:
                async with self._client() as etcd, aclosing(etcd.follow(key, trouble=self._trouble)) as told:
                    async for _ in told:
                        await self._hear(etcd, key)
            except (EtcdError, OSError) as error:
                self._trouble(error)
            await asyncio.sleep(_AGAIN)

    async def gather(self) -> None:
        """Follow which members register themselves, without end. Where etcd is down, members stay."""
        while True:
            try:
                async with self._client() as etcd, aclosing(etcd.follow(self._keys.pools)) as told:
                    async for news in told:
                        await asyncio.to_thread(self._members.hear, news)
                        self._endpoints_changed()
            except (EtcdError, OSError) as error:
                self._trouble(error)
            await asyncio.sleep(_AGAIN)

    async def hold(self) -> None:
        """Answer for the announced addresses that the fleet gives this node, without end."""
        while True:
            try:
                await self._holding.run()
            except* (OSError, ValueError, SvccError) as group:
                self._log.error("announced addresses cannot be held", reason=str(group.exceptions[0]))
            await asyncio.sleep(_AGAIN)

    async def leave(self) -> None:
        """Stop answering for announced addresses, as the agent ends."""
        await self._holding.leave()

    async def _between(self, work: Callable[[], None]) -> None:
        if self._agent is None:
            await asyncio.to_thread(work)
        else:
            await self._agent.between(work)

    def _endpoints_changed(self) -> None:
        if self._agent is not None:
            self._agent.endpoints_changed()

    async def show(self) -> None:
        """Show in etcd that the agent lives, and report its status, without end."""
        while True:
            seconds, trouble = self._holding.seconds, False
            try:
                async with self._client() as etcd, etcd.hold(seconds or _LEASE) as held:
                    await self._show(etcd, held, seconds)
                    if seconds == self._holding.seconds:
                        why = "etcd was away, or this machine too busy, for as long as it lasts"
                        self._log.warning("the lease ended", reason=why, seconds=held.lease.ttl)
            except (EtcdError, OSError) as error:
                self._trouble(error)
                trouble = True
            finally:
                self._holding.lease = None
            if trouble:  # without trouble only the lease ended, and addresses need another one at once
                await asyncio.sleep(_AGAIN)

    async def _show(self, etcd: Client, held: Held, seconds: int | None) -> None:
        """Show and report, as long as a lease lasts and has the right length."""
        able: frozenset[str] | None = None
        said: Status | None = None
        while not held.lost and seconds == self._holding.seconds:
            try:
                now = self._holding.able
                if now != able and await self._living.show(etcd, held, now):
                    able = now
                    if seconds is not None:  # else a shorter lease replaces it as soon as anything is announced
                        self._holding.lease = held
                if able is not None and (status := self._now()) is not None and status != said:
                    await etcd.put(self._keys.status(self._name), status.text.encode())
                    said = status
            except NoLease:
                self._holding.lease = None
                return
            except EtcdError as error:  # the lease is kept while it lasts: addresses are bound to it
                self._trouble(error)
            with suppress(TimeoutError):
                async with asyncio.timeout(_GLANCE):
                    await self._news.wait()
            self._news.clear()

    def _now(self) -> Status | None:
        """Return the status to report, as the agent is now; None where there is none yet."""
        if self._status is None:
            return None
        record, agent = self._record, self._agent
        status = replace(self._status, serves=record.release, followed=record.epoch)
        if agent is None:
            return status
        words = status.words or plain(agent.fault or self._members.refused or self._holding.fault)
        return replace(status, down=agent.down, drift=agent.drift, words=words)

    def _trouble(self, error: Exception) -> None:
        if isinstance(error, History):
            what = "etcd is not as it was; all of it is read anew"
        elif isinstance(error, EtcdError) and not isinstance(error, Unreachable):
            what = "etcd does not do what it is asked; everything stays as it is"
        else:
            what = "etcd does not answer; everything stays as it is"
        self._log.warning(what, reason=str(error))

    def _say(self, want: Want, state: NodeState, words: str = "") -> None:
        self._status = Status(want, state, self._record.release, words=plain(words), svcc=self._version)
        self._news.set()
        tell = self._log.info if state in (NodeState.APPLYING, NodeState.APPLIED) else self._log.error
        tell(f"release {want.release}: {state}", epoch=want.epoch, **({"reason": words} if words else {}))

    async def _hear(self, etcd: Client, key: str) -> None:
        """Read what is wanted, and follow it."""
        try:
            entry = await etcd.get(key)
            want = None if entry is None else Want.read(entry.key, entry.value)
        except FleetError as error:
            self._log.error("the wanted release cannot be read from etcd", reason=str(error))
            return
        if want is None or (self._status is not None and self._status.want == want):
            return
        if refused := self._refuses(want):
            self._say(want, NodeState.REFUSED, refused)
        elif self.known is None or (want.epoch, want.release) != (self._record.epoch, self._record.release):
            await self._obey(etcd, want)
        elif await self._is_another(etcd, want.release, self.known):
            another = f"release {want.release} is another one than the one of that number that was followed"
            self._say(want, NodeState.REFUSED, f"{another}: {_ADOPT}")
        else:
            self._say(want, NodeState.APPLIED)  # an agent that ran earlier has applied it

    async def _is_another(self, etcd: Client, number: int, known: ir.Program) -> bool:
        """Whether etcd has another release of the number that is served, as an etcd that replaced the former one may
        have.

        False where that cannot be told. Errors: EtcdError.
        """
        try:
            release = await release_of(etcd, self._keys, number)
            if release.nodes.get(self._name) != Compiled(self._record.target, self._record.bundle):
                return True
            pieces = await pieces_of(etcd, self._keys, release)
            return await asyncio.to_thread(lambda: read_program(unpack(release.program, pieces))) != known
        except SvccError:
            return False

    def _refuses(self, want: Want) -> str:
        """Why a want is not followed; "" where it is."""
        followed = self._record.epoch
        if want.epoch > followed or want == Want(followed, self._record.wanted):
            return ""
        return f"epoch {want.epoch} is no larger than {followed}, which was followed: {_ADOPT}"

    async def _obey(self, etcd: Client, want: Want) -> None:
        self._say(want, NodeState.APPLYING)
        try:
            taken = None if want.release == 0 else await self._fetched(etcd, want.release)
            if taken is not None:
                await asyncio.to_thread(self._check_prefix, taken.program)
                await asyncio.to_thread(keep_program, self._root, want.release, taken.program)
            self._record = replace(self._record, epoch=want.epoch, wanted=want.release)
            await asyncio.to_thread(self._record.write, self._root)
        except Unreachable:
            self._status = None  # it is tried again when etcd answers
            raise
        except (SvccError, EtcdError, OSError) as error:
            self._say(want, NodeState.FAILED, str(error))
            return
        if taken is None:
            self._say(want, NodeState.APPLIED)
            return
        program = taken.program
        if self.known is not None and program == self.known and taken.target.name == self._record.target:
            program = self.known  # the same object tells the agent that the program is the same
            if self._task is None:
                self._task = _Task(want, program, taken.published)
                self.note_kept(program)
                return
        self._task, self._program, self._new = _Task(want, program, taken.published), program, True
        self._compiled = taken.compiled
        self._aim(taken.target.name)
        if self._agent is not None:
            self._agent.reload()

    def _check_prefix(self, program: ir.Program) -> None:
        """Check that a program has the prefix under which this node serves. Errors: OtherPrefix, StoreError,
        OSError."""
        wanted = program.cluster.prefix
        known = [] if self.known is None else [self.known.cluster.prefix]
        for served in (*known, *other_prefixes(Store(self._root).installations(), self, program)):
            if not same_prefix(served, wanted):
                raise OtherPrefix("this node", served, wanted)

    async def _fetched(self, etcd: Client, number: int) -> Taken:
        release = await release_of(etcd, self._keys, number)
        if self._signers is not None:
            await asyncio.to_thread(verify, release, self._signers)
        pieces = await pieces_of(etcd, self._keys, release)
        return await asyncio.to_thread(take, release, pieces, self._name)

    def _aim(self, target: str) -> None:
        if target != self.target:
            self.target = target
            self._moved.set()
