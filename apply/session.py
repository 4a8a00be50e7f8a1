"""Sessions, each of which keeps one prefix of a machine, plans changes of the objects under it, and applies them.

A session raises a :class:`svcc.compiler.errors.SvccError`, or an OSError where the state directory cannot be used.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from threading import RLock
from types import TracebackType
from typing import Self

from svcc.apply import confirm, drain, engine, planning, wanted, whole
from svcc.apply.clashes import check_clashes
from svcc.apply.drafts import make_draft, scope_of
from svcc.apply.engine import Event, Tell
from svcc.apply.errors import Outdated, Refused, ToolFailed, Unconfirmed
from svcc.apply.execution_plan import ExecutionPlan
from svcc.apply.generation import Draft, Generation
from svcc.apply.installation import Installation
from svcc.apply.keeper import Keeper
from svcc.apply.losses import losses
from svcc.apply.plan import Plan, basis_of
from svcc.apply.scope import Scope, scope_of_program
from svcc.apply.served import is_recorded
from svcc.apply.state_files import StoreError
from svcc.apply.store import Store
from svcc.apply.upkeep import Upkeep
from svcc.apply.wanted import Wanted
from svcc.compiler import ir
from svcc.compiler.checks import check
from svcc.compiler.diagnostic import has_errors
from svcc.compiler.errors import InputError
from svcc.compiler.neighbours import Neighbours
from svcc.kernel.steps import Change, StepError
from svcc.targets import find
from svcc.targets.interface import Bundle, Target


def _silent(_event: Event) -> None:
    pass


class Session:
    """A session keeps one prefix of this machine for as long as it is open: nobody else changes objects under it.

    Several threads may use it; one call runs at a time. Everything happens in the network namespace of the calling
    thread.
    """

    def __init__(
        self,
        target: str,
        *,
        node: str | None = None,
        state_dir: str | Path = "/var/lib/svcc",
        what: str = "a session",
        tell: Tell = _silent,
        waits: bool = True,
    ) -> None:
        """``target``: a target that a kernel loads; ``node``: the machine, where programs declare several.

        ``what`` names the session to others that are refused meanwhile; ``tell`` is called with every step before it is
        taken, and when it is done. ``waits``: whether svcc waits for connections to servers that are removed from IPVS;
        a caller that let them drain before need not wait. svcc always waits for connections that end because another
        target takes over.
        Errors: ValueError where there is no such target.
        """
        self._target = _find_target(target)
        self._node = node
        self._store = Store(Path(state_dir))
        self._what = what
        self.tell = tell  # callers may set another one
        self._waits = waits
        self._lock = RLock()
        self._keeper: Keeper | None = None
        self._installation: Installation | None = None
        self._program: ir.Program | None = None
        self._neighbours: tuple[ir.Program, Neighbours] | None = None  # a program, and which of its services share what
        self._planned: Wanted | None = None  # what the last plan wants
        self._compiled: Wanted | None = None  # the result, where the next program is compiled already
        self._upkeep: Upkeep | None = None  # changes services one by one; None: whole states have to be compared

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Release the prefix, so that others may change objects under it. Everything in the kernel stays."""
        with self._lock:
            if self._keeper is not None:
                self._keeper.release()
            self._keeper = self._installation = self._upkeep = self._planned = self._compiled = None

    @property
    def program(self) -> ir.Program | None:
        """The program that this session applied last."""
        return self._program

    def plan(self, given: ir.Program | Bundle, name: str = "") -> Plan:
        """Plan an apply of a program, or of a compiled bundle, and return what it would change. Nothing is changed.

        ``name``: the name that `svcc history` shows, most often a file's.

        Errors: InputError; Kept, StoreError; Refused where the prefix or the device clashes with another prefix's;
        ToolFailed.
        """
        found = self._wanted(given, name)
        with self._working(found) as (installation, draft):
            made = self._make_plan(installation, draft)
            self._planned = found
            return Plan(
                replace(found, assembly=None),
                installation.number,
                made.changes,
                basis_of(installation.number, made.changes),
            )

    def apply(self, plan: Plan, *, allow_empty: bool = False, confirm_within: float | None = None) -> Generation:
        """Make the kernel hold what was planned: all of it or nothing.

        ``allow_empty``: whether to apply a plan that leaves no service at all; ``confirm_within``: the seconds after
        which the machine goes back by itself unless :meth:`confirm` is called.
        Errors: Outdated where the machine is no longer the one that the plan was made for; Refused; Unconfirmed where
        an earlier apply still waits to be confirmed; Restored where the apply failed, and everything is as it was;
        Broken where it failed, and so did going back; ToolFailed; Kept, StoreError.
        """
        with self._working(plan.wanted) as (installation, draft):
            made = self._make_plan(installation, draft)
            if plan.basis != basis_of(installation.number, made.changes):
                raise Outdated(plan, installation.number)
            _check_serves(installation, made, draft, allow_empty=allow_empty)
            self._upkeep = None
            generation = self._perform(installation, made, draft, confirm_within)
            self._program, planned, self._planned = plan.wanted.program, self._planned, None
            if planned is not None and planned.bundle is plan.wanted.bundle and self._program is not None:
                self._start_upkeep(planned, draft, self._program)
            return generation

    def update(self, services: Mapping[str, ir.Service | None]) -> Generation:
        """Replace services of the program by these, by their names, in one transaction; None removes a service.

        The changed services are checked against the others.
        Errors: ValueError where no program was applied in this session, where a service has another name than its key,
        or where there is no service of that name to remove; otherwise those of :meth:`plan` and :meth:`apply`.
        """
        with self._lock:
            if self._program is None:
                raise ValueError("this session applied no program yet, so it has no services to change")
            program = _changed(self._program, services)
            if self._neighbours is None or self._neighbours[0] is not self._program:
                self._neighbours = self._program, Neighbours(self._program)
            neighbours = self._neighbours[1]
            findings = list(check(neighbours.around(program, services)))
            if has_errors(findings):
                raise InputError(findings)
            before = [one for one in self._program.services if one.name in services]
            generation = self.follow(program, program)
            neighbours.update(before, (one for one in services.values() if one is not None))
            self._neighbours = program, neighbours
            return generation

    def follow(
        self, program: ir.Program, served: ir.Program, name: str = "", confirm_within: float | None = None
    ) -> Generation:
        """Apply a program, but serve it as ``served`` says: with failed endpoints draining, for example.

        `svcc history` lists the generation of ``program``. Where ``served`` differs, it is recorded as a further
        generation that is a note to that one. One transaction puts it into the kernel. ``confirm_within``: as of
        :meth:`apply`. Errors: those of :meth:`plan` and :meth:`apply`.
        """
        if confirm_within is None and (done := self._follow_by_upkeep(program, served, name)) is not None:
            self._program = program
            return done
        found = self._wanted(program, name)
        now = found if served == program else self._wanted(served, name)
        with self._working(found) as (installation, reviewed):
            self._upkeep = None
            current = installation.current
            last = None if current is None else installation.generation(current.reviewed)
            known = program is self._program  # then its services were compared before
            if last is not None and is_recorded(installation, last, reviewed, known=known):
                draft = self._note(now, last)
            elif now.bundle == found.bundle:
                draft = reviewed
            else:
                draft = self._note(now, installation.record(reviewed))
            generation = self._put(installation, draft, confirm_within)
            self._program = program
            self._start_upkeep(now, draft, program)
            return generation

    def _start_upkeep(self, now: Wanted, draft: Draft, reviewed: ir.Program) -> None:
        """Make it possible to change services one by one from here on. ``now``: what was put into the kernel by
        ``draft``. ``reviewed``: the program of the generation that `svcc history` lists."""
        patience = drain.PATIENCE if self._waits else 0.0
        self._upkeep = Upkeep.of(self.installation, self._target, now, draft, reviewed, patience)
        if self._upkeep is not None:
            self._upkeep.stamp = self._store.own

    def _follow_by_upkeep(self, program: ir.Program, served: ir.Program, name: str) -> Generation | None:
        """Do what :meth:`follow` does, where only services change and the kernel is known to be as this session left
        it. Return None, and do nothing, where that is not so."""
        with self._lock, _translated():
            if self._upkeep is None:
                return None
            with self._locked():
                if (upkeep := self._upkeep) is None or upkeep.stamp != self._store.own:
                    return None
                self._upkeep = None  # it is of no use after an error
                try:
                    done = upkeep.follow(program, served, name, self.tell)
                except InputError:
                    self._upkeep = upkeep
                    raise
                self._upkeep = upkeep
                return done

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Hold the store's lock. What the session knows of the kernel stays valid where nobody else took the lock since
        this session did."""
        with self._store.locked():
            upkeep = self._upkeep
            if upkeep is not None:
                upkeep.stamp = self._store.own if upkeep.stamp and upkeep.stamp == self._store.stamp else ""
            yield

    def expect(self, compiled: Wanted | None) -> None:
        """Give the session a program that was compiled before, for its target and node. When the session follows that
        program next, it does not compile it again.

        ``compiled``: belongs to the session from now on; None: nothing was compiled before.
        """
        with self._lock:
            self._compiled = compiled

    def adjust(self, served: ir.Program) -> Generation:
        """Serve the program that was followed or applied last in another way, recorded as a note to its generation.

        Errors: ValueError where there was no such program; otherwise those of :meth:`apply`.
        """
        with self._lock:
            if self._program is None:
                raise ValueError("this session applied no program yet, so it has none to adjust")
            return self.follow(self._program, served)

    @property
    def untidy(self) -> bool:
        """Whether :meth:`tidy` has something to do: the changes that were written take as much space as the whole
        generation would."""
        upkeep = self._upkeep
        return upkeep is not None and upkeep.due

    def tidy(self) -> bool:
        """Write the generation in place whole, where it is recorded as a change that has become long. The records of
        later changes are short again then. A separate process writes it, and other calls go on meanwhile.

        Return whether that was done. It was not where it was not needed, or where so much has changed meanwhile that
        the generation is not kept any more. Errors: ToolFailed, StoreError, OSError; the record is as it was then.
        """
        with self._lock:
            upkeep = self._upkeep
            if upkeep is None or not upkeep.due:
                return False
            installation, generation, served = self.installation, upkeep.generation, upkeep.served
        with _translated():
            digest = whole.write_by_process(self._store.root, installation.name, generation)
        with self._lock, self._locked():
            kept = generation.number in installation.numbers() and installation.generation(generation.number)
            if self._upkeep is not upkeep or kept != generation:
                whole.discard(installation, generation.number)
                return False
            upkeep.take_over(generation, served, digest)
            return True

    @property
    def installation(self) -> Installation:
        """The installation of the prefix that this session keeps. Errors: ValueError, where it keeps none yet."""
        if self._installation is None:
            raise ValueError("this session keeps no prefix yet")
        return self._installation

    def keep(self, program: ir.Program) -> Installation:
        """Keep the program's prefix from now on. Errors: Kept, StoreError, OSError."""
        with self._lock, self._locked():
            return self._keep_prefix(scope_of_program(program))

    def drift(self) -> tuple[Change, ...]:
        """Return the changes that would put right what somebody else changed under the prefix since the last apply.

        This takes little time where the kernel is as it was left. Errors: ToolFailed, StoreError.
        """
        with self._lock, _translated(), self._store.reading() as stamp:
            current, upkeep = self.installation.current, self._upkeep
            if upkeep is not None and upkeep.stamp and upkeep.stamp == stamp and upkeep.as_left():
                return ()
            if current is None or planning.nothing_to_do(self.installation, current, None) is not None:
                return ()
            return planning.make_plan(self.installation, confirm.earlier(self.installation, current.number, "")).changes

    def repair(self) -> tuple[Change, ...]:
        """Put right what :meth:`drift` finds, and return the changes that did so. Errors: those of :meth:`apply`."""
        with self._lock, _translated(), self._locked():
            current = self.installation.current
            if current is None:
                return ()
            self._upkeep = None
            again = confirm.earlier(self.installation, current.number, "put right")
            draft = replace(again, of=current.reviewed)
            made = planning.make_plan(self.installation, draft, self._patience(current, draft))
            if not made.empty:
                engine.check(made, self.tell, every=False)
                engine.perform(made, self.installation, draft, self.tell)
            return made.changes

    def _note(self, found: Wanted, of: Generation) -> Draft:
        """Return the draft of a note: of how the program of the reviewed generation ``of`` is served."""
        return replace(make_draft(found, self._scope(found)), of=of.number, source=of.source)

    def _put(self, installation: Installation, draft: Draft, seconds: float | None) -> Generation:
        made = self._make_plan(installation, draft)
        _check_serves(installation, made, draft, allow_empty=False)
        return self._perform(installation, made, draft, seconds)

    def confirm(self) -> None:
        """Keep what was applied with ``confirm_within``. Does nothing where nothing waits. Errors: StoreError."""
        with self._lock, self._locked():
            if self._installation is not None:
                confirm.disarm(self._installation)

    @property
    def unconfirmed(self) -> bool:
        """Whether an apply waits to be confirmed. Errors: StoreError."""
        with self._lock, self._store.reading():
            return self._installation is not None and confirm.Pending.read(self._installation) is not None

    def settle(self, *, keep: bool) -> bool:
        """Keep the apply that waits to be confirmed (``keep``), or undo it now. Return whether it is kept.

        An apply whose time to confirm is over is undone in any case. Errors: those of :meth:`apply`.
        """
        with self._lock, _translated(), self._locked():
            installation = self.installation
            pending = confirm.Pending.read(installation)
            if pending is not None and keep and pending.seconds_left > 0:
                confirm.disarm(installation)
                return True
            self._upkeep = self._program = None
            if pending is not None:
                confirm.mended(installation)
                confirm.put_back(installation, pending)
            return False

    def _wanted(self, given: ir.Program | Bundle, name: str) -> Wanted:
        if isinstance(given, Bundle):
            return wanted.from_bundle(given, name)
        with self._lock:
            known, self._compiled = self._compiled, None
        if known is not None and known.program is given and known.bundle.target == self._target.name:
            return replace(known, name=name)
        return wanted.from_program(given, self._target, self._node, name)

    @contextmanager
    def _working(self, found: Wanted) -> Iterator[tuple[Installation, Draft]]:
        """Hold the store's lock and the prefix, settle applies that were left half done, and give the installation and
        the draft of what is wanted."""
        if os.geteuid() != 0:
            raise Refused(["rules can be read and changed by root only"])
        self._check_is_ours(found.bundle)
        with self._lock, _translated(), self._locked():
            scope = self._scope(found)
            installation = self._keep_prefix(scope)
            for sentence in confirm.settle(installation):
                self._upkeep = None
                self.tell(Event("warning", words=sentence))
            yield installation, make_draft(found, scope)

    def _check_is_ours(self, bundle: Bundle) -> None:
        """Check that rules are for this session's target and node. Else the next update would move all services to
        another target, or to another node's rules. Errors: StoreError."""
        if bundle.target != self._target.name:
            raise StoreError(f"this session is for target {self._target.name}, and the rules are for {bundle.target}")
        if self._node not in (None, bundle.node):
            was = f"for {bundle.node}" if bundle.node else "for no node in particular"
            raise StoreError(f"this session is for node {self._node}, and the rules are {was}")

    def _scope(self, found: Wanted) -> Scope:
        if (scope := scope_of(found)) is not None:
            return scope
        if self._installation is None or self._installation.current is None:
            raise StoreError("the bundle is empty, and does not say what prefix it is for")
        current = self._installation.current
        return Scope(current.prefix, current.device)

    def _keep_prefix(self, scope: Scope) -> Installation:
        """Keep the prefix of a scope, unless this session keeps it already. Errors: Kept, StoreError, OSError."""
        if self._installation is None or self._keeper is None:
            installation = self._store.installation(scope.table)
            self._keeper = Keeper(installation, self._what)
            self._installation = installation
        if self._installation.name != scope.table:
            raise StoreError(f"this session keeps prefix {self._installation.name}, and {scope.table} is another")
        return self._installation

    def _make_plan(self, installation: Installation, draft: Draft) -> ExecutionPlan:
        check_clashes(self._store, installation, draft)
        return planning.make_plan(installation, draft, self._patience(installation.current, draft))

    def _patience(self, current: Generation | None, draft: Draft) -> float:
        """Return the seconds to wait for connections that end with their servers; see :mod:`svcc.apply.drain`."""
        moves = current is not None and draft.bundle is not None and current.target != draft.bundle.target
        return drain.PATIENCE if self._waits or moves else 0.0

    def _perform(
        self, installation: Installation, made: ExecutionPlan, draft: Draft, seconds: float | None
    ) -> Generation:
        """Check a plan and carry it out; where nothing changes, return the current generation. ``seconds``: how long it
        may be confirmed; None: it needs no confirmation."""
        if confirm.Pending.read(installation) is not None:
            raise Unconfirmed(installation.number)
        current = installation.current
        if made.empty and not made.ending and current is not None and is_recorded(installation, current, draft):
            engine.note(made, installation, draft)
            return current
        engine.check(made, self.tell, every=False)
        with confirm.armed(self._store, installation, seconds):
            return engine.perform(made, installation, draft, self.tell)


def _find_target(name: str) -> Target:
    """Return the target of a name. Errors: ValueError where there is none, or none that a kernel loads."""
    target = find(name)
    if target is None or not target.loads:
        raise ValueError(f"{name} is no target that a kernel loads")
    return target


def _changed(program: ir.Program, services: Mapping[str, ir.Service | None]) -> ir.Program:
    """Return the program with services replaced by these, by their names; None removes one. Errors: ValueError."""
    for name, service in services.items():
        if service is not None and service.name != name:
            raise ValueError(f"the service for {name} is called {service.name}")
    known = {service.name for service in program.services}
    if unknown := [name for name, service in services.items() if service is None and name not in known]:
        raise ValueError(f"there is no service {', '.join(unknown)} to remove")
    stays = [services.get(service.name, service) for service in program.services]
    new = [service for name, service in services.items() if name not in known]
    found = sorted((one for one in (*stays, *new) if one is not None), key=lambda service: service.name)
    return replace(program, services=tuple(found))


def _check_serves(installation: Installation, made: ExecutionPlan, draft: Draft, *, allow_empty: bool) -> None:
    """Check that a plan leaves a service, unless ``allow_empty``. Errors: Refused."""
    found = losses(made, lambda: installation.summary(installation.current), draft)
    if found.everything and not allow_empty:
        raise Refused([f"no service would be left; served now: {len(found.services)}"])


@contextmanager
def _translated() -> Iterator[None]:
    """Raise a StepError, which :mod:`svcc.kernel` raises, as a ToolFailed, which is an SvccError."""
    try:
        yield
    except StepError as error:
        raise ToolFailed(error) from error
