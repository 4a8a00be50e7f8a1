"""A session: one prefix of a machine, kept by one holder, from plan to kernel.

What a session raises is a :class:`svcc.compiler.errors.SvccError`, or an OSError where the state directory fails it.
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
    """Keeps one prefix of this machine for as long as it is open: nobody else changes what is under it meanwhile.

    It may be used by several threads; one call runs at a time. Everything happens in the network namespace of the
    thread that calls.
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

        ``what`` names the session to those who are refused meanwhile; ``tell`` is called with every step before it is
        taken, and when it is done. ``waits``: whether svcc waits for connections to what leaves ipvs; a caller that let
        them drain before need not. It always waits for those that end because another target takes over.
        Errors: ValueError: no such target.
        """
        self._target = _loaded(target)
        self._node = node
        self._store = Store(Path(state_dir))
        self._what = what
        self.tell = tell  # may become another one
        self._waits = waits
        self._lock = RLock()
        self._keeper: Keeper | None = None
        self._installation: Installation | None = None
        self._program: ir.Program | None = None
        self._neighbours: tuple[ir.Program, Neighbours] | None = None  # of the services of a program
        self._planned: Wanted | None = None  # what the last plan is for
        self._compiled: Wanted | None = None  # what the next program was compiled to already
        self._upkeep: Upkeep | None = None  # what is in place, where it can be changed service by service

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let others at the prefix. What is in the kernel stays."""
        with self._lock:
            if self._keeper is not None:
                self._keeper.release()
            self._keeper = self._installation = self._upkeep = self._planned = self._compiled = None

    @property
    def program(self) -> ir.Program | None:
        """The program that this session applied last."""
        return self._program

    def plan(self, given: ir.Program | Bundle, name: str = "") -> Plan:
        """What an apply of a program, or of a compiled bundle, would change. Nothing is changed by it.

        ``name``: what `svcc history` calls it, a file's name most often.

        Errors: InputError; Kept, StoreError; Refused: other prefixes have something against it; ToolFailed.
        """
        found = self._wanted(given, name)
        with self._working(found) as (installation, draft):
            made = self._made(installation, draft)
            self._planned = found
            return Plan(
                replace(found, assembly=None),
                installation.number,
                made.changes,
                basis_of(installation.number, made.changes),
            )

    def apply(self, plan: Plan, *, allow_empty: bool = False, confirm_within: float | None = None) -> Generation:
        """Make the kernel hold what was planned: all of it or nothing.

        ``allow_empty``: although no service is left then; ``confirm_within``: seconds, after which the machine goes
        back by itself unless :meth:`confirm` is called.
        Errors: Outdated: the machine is no longer the one that the plan was made for; Refused; Unconfirmed: an earlier
        apply still waits; Restored: it failed, and everything is as it was; Broken: it failed, and so did going back;
        ToolFailed; Kept, StoreError.
        """
        with self._working(plan.wanted) as (installation, draft):
            made = self._made(installation, draft)
            if plan.basis != basis_of(installation.number, made.changes):
                raise Outdated(plan, installation.number)
            _guard(installation, made, draft, allow_empty=allow_empty)
            self._upkeep = None
            generation = self._performed(installation, made, draft, confirm_within)
            self._program, planned, self._planned = plan.wanted.program, self._planned, None
            if planned is not None and planned.bundle is plan.wanted.bundle and self._program is not None:
                self._keep_up(planned, draft, self._program)
            return generation

    def update(self, services: Mapping[str, ir.Service | None]) -> Generation:
        """Put these services in the place of those of their names, in one transaction; None takes one away.

        What the other services have is checked against the changed ones.
        Errors: ValueError: no program was applied in this session, a service has another name than its key, or there
        is none of that name to take away; otherwise as of :meth:`plan` and :meth:`apply`.
        """
        with self._lock:
            if self._program is None:
                raise ValueError("this session applied no program yet that services could be changed of")
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
        """Serve a program as ``served`` has it: with failed endpoints draining, say. What is recorded is the program.

        The generation that `svcc history` lists is the program's; how it is served is a note to it. One transaction
        leads to both. ``confirm_within``: as of :meth:`apply`. Errors: as of :meth:`plan` and :meth:`apply`.
        """
        if confirm_within is None and (done := self._kept_up(program, served, name)) is not None:
            self._program = program
            return done
        found = self._wanted(program, name)
        now = found if served == program else self._wanted(served, name)
        with self._working(found) as (installation, reviewed):
            self._upkeep = None
            current = installation.current
            there = None if current is None else installation.generation(current.reviewed)
            known = program is self._program  # then its services were compared before
            if there is not None and is_recorded(installation, there, reviewed, known=known):
                draft = self._note(now, there)
            elif now.bundle == found.bundle:
                draft = reviewed
            else:
                draft = self._note(now, installation.record(reviewed))
            generation = self._put(installation, draft, confirm_within)
            self._program = program
            self._keep_up(now, draft, program)
            return generation

    def _keep_up(self, now: Wanted, draft: Draft, reviewed: ir.Program) -> None:
        """From here on, services can be changed one by one. ``now``: what was put in place, as the draft says."""
        patience = drain.PATIENCE if self._waits else 0.0
        self._upkeep = Upkeep.of(self.installation, self._target, now, draft, reviewed, patience)
        if self._upkeep is not None:
            self._upkeep.stamp = self._store.own

    def _kept_up(self, program: ir.Program, served: ir.Program, name: str) -> Generation | None:
        """As :meth:`follow`, where what is in place is known, and services alone are changed. None: it is not so."""
        with self._lock, _translated():
            if self._upkeep is None:
                return None
            with self._locked():
                if (upkeep := self._upkeep) is None or upkeep.stamp != self._store.own:
                    return None
                self._upkeep = None  # unless all goes well
                try:
                    done = upkeep.follow(program, served, name, self.tell)
                except InputError:
                    self._upkeep = upkeep
                    raise
                self._upkeep = upkeep
                return done

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """The store's lock is held. That this session took it is no change to what it knows."""
        with self._store.locked():
            upkeep = self._upkeep
            if upkeep is not None:
                upkeep.stamp = self._store.own if upkeep.stamp and upkeep.stamp == self._store.stamp else ""
            yield

    def expect(self, compiled: Wanted | None) -> None:
        """Take what a program was compiled to before, for this session's target and node: when it is followed next, it
        is not compiled again. ``compiled``: it belongs to the session from now on; None: nothing was.
        """
        with self._lock:
            self._compiled = compiled

    def adjust(self, served: ir.Program) -> Generation:
        """Serve the program that was followed or applied last in another way: as a note to its generation.

        Errors: ValueError: there was none; otherwise as of :meth:`apply`.
        """
        with self._lock:
            if self._program is None:
                raise ValueError("this session applied no program yet that could be served in another way")
            return self.follow(self._program, served)

    @property
    def untidy(self) -> bool:
        """Whether :meth:`tidy` has something to do: as much was written of changes as the whole of it takes."""
        upkeep = self._upkeep
        return upkeep is not None and upkeep.due

    def tidy(self) -> bool:
        """Write the generation in place whole, where it is kept as a change and has become long: what is written of
        later changes is short again then. A process of its own writes it, and other calls go on meanwhile.

        Returns whether it was done; not, where so much has changed meanwhile that the generation is not kept any more.
        Errors: ToolFailed, StoreError, OSError: it is as it was.
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
        """What this session keeps. Errors: ValueError, before the first plan."""
        if self._installation is None:
            raise ValueError("this session keeps no prefix yet")
        return self._installation

    def keep(self, program: ir.Program) -> Installation:
        """Keep the program's prefix from now on. Errors: Kept, StoreError, OSError."""
        with self._lock, self._locked():
            return self._kept(scope_of_program(program))

    def drift(self) -> tuple[Change, ...]:
        """What somebody changed under the prefix since the last apply: the changes that would put it right.

        It costs little where the kernel is as it was left. Errors: ToolFailed, StoreError.
        """
        with self._lock, _translated(), self._store.reading() as stamp:
            current, upkeep = self.installation.current, self._upkeep
            if upkeep is not None and upkeep.stamp and upkeep.stamp == stamp and upkeep.as_left():
                return ()
            if current is None or planning.nothing_to_do(self.installation, current, None) is not None:
                return ()
            return planning.make_plan(self.installation, confirm.earlier(self.installation, current.number, "")).changes

    def repair(self) -> tuple[Change, ...]:
        """Put right what :meth:`drift` finds; returns it. Errors: as of :meth:`apply`."""
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
        """A draft of how a reviewed generation is served."""
        return replace(make_draft(found, self._scope(found)), of=of.number, source=of.source)

    def _put(self, installation: Installation, draft: Draft, seconds: float | None) -> Generation:
        made = self._made(installation, draft)
        _guard(installation, made, draft, allow_empty=False)
        return self._performed(installation, made, draft, seconds)

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
        """Keep what waits to be confirmed, or go back from it now; whether it is kept.

        What was not confirmed in time is gone back from all the same. Errors: as of :meth:`apply`.
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
        """The store's lock and the prefix are held, and what was left half done is settled."""
        if os.geteuid() != 0:
            raise Refused(["rules can be read and changed by root only"])
        self._check_is_ours(found.bundle)
        with self._lock, _translated(), self._locked():
            scope = self._scope(found)
            installation = self._kept(scope)
            for said in confirm.settle(installation):
                self._upkeep = None
                self.tell(Event("warning", words=said))
            yield installation, make_draft(found, scope)

    def _check_is_ours(self, bundle: Bundle) -> None:
        """Rules may be for another target or machine, which the next update would move all services away from."""
        if bundle.target != self._target.name:
            raise StoreError(f"this session is for target {self._target.name}, and the rules are for {bundle.target}")
        if self._node not in (None, bundle.node):
            was = f"for {bundle.node}" if bundle.node else "for no node in particular"
            raise StoreError(f"this session is for node {self._node}, and the rules are {was}")

    def _scope(self, found: Wanted) -> Scope:
        if (said := scope_of(found)) is not None:
            return said
        if self._installation is None or self._installation.current is None:
            raise StoreError("the bundle is empty, and does not say what prefix it is for")
        current = self._installation.current
        return Scope(current.prefix, current.device)

    def _kept(self, scope: Scope) -> Installation:
        if self._installation is None or self._keeper is None:
            installation = self._store.installation(scope.table)
            self._keeper = Keeper(installation, self._what)
            self._installation = installation
        if self._installation.name != scope.table:
            raise StoreError(f"this session keeps prefix {self._installation.name}, and {scope.table} is another")
        return self._installation

    def _made(self, installation: Installation, draft: Draft) -> ExecutionPlan:
        check_clashes(self._store, installation, draft)
        return planning.make_plan(installation, draft, self._patience(installation.current, draft))

    def _patience(self, current: Generation | None, draft: Draft) -> float:
        moves = current is not None and draft.bundle is not None and current.target != draft.bundle.target
        return drain.PATIENCE if self._waits or moves else 0.0

    def _performed(
        self, installation: Installation, made: ExecutionPlan, draft: Draft, seconds: float | None
    ) -> Generation:
        if confirm.Pending.read(installation) is not None:
            raise Unconfirmed(installation.number)
        current = installation.current
        if made.empty and not made.ending and current is not None and is_recorded(installation, current, draft):
            engine.note(made, installation, draft)
            return current
        engine.check(made, self.tell, every=False)
        with confirm.armed(self._store, installation, seconds):
            return engine.perform(made, installation, draft, self.tell)


def _loaded(name: str) -> Target:
    target = find(name)
    if target is None or not target.loads:
        raise ValueError(f"{name} is no target that a kernel loads")
    return target


def _changed(program: ir.Program, services: Mapping[str, ir.Service | None]) -> ir.Program:
    """The program with these services in place of those of their names. Errors: ValueError."""
    for name, service in services.items():
        if service is not None and service.name != name:
            raise ValueError(f"the service for {name} is called {service.name}")
    there = {service.name for service in program.services}
    if unknown := [name for name, service in services.items() if service is None and name not in there]:
        raise ValueError(f"there is no service {', '.join(unknown)} to take away")
    stays = [services.get(service.name, service) for service in program.services]
    new = [service for name, service in services.items() if name not in there]
    found = sorted((one for one in (*stays, *new) if one is not None), key=lambda service: service.name)
    return replace(program, services=tuple(found))


def _guard(installation: Installation, made: ExecutionPlan, draft: Draft, *, allow_empty: bool) -> None:
    """Errors: Refused, where no service would be left."""
    found = losses(made, installation.summary(installation.current), draft)
    if found.everything and not allow_empty:
        raise Refused([f"no service would be left, of {len(found.services)} that are served"])


@contextmanager
def _translated() -> Iterator[None]:
    """What the kernel's package raises, as an error of svcc's own tree."""
    try:
        yield
    except StepError as error:
        raise ToolFailed(error) from error
