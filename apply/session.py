"""Sessions, each of which keeps one prefix of a machine, plans changes of the objects under it, and applies them.

What a session puts together has modules of its own: the prefix (:mod:`svcc.apply.kept_prefix`), a plan and how it is
carried out (:mod:`svcc.apply.planned_draft`), and the quick way for changes of single services
(:mod:`svcc.apply.valid_upkeep`). A session raises a :class:`svcc.compiler.errors.SvccError`, or an OSError where the
state directory cannot be used.
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

from svcc.apply import confirm, drain, wanted, whole
from svcc.apply.checked_services import CheckedServices
from svcc.apply.drafts import draft_as_served, make_draft
from svcc.apply.drift import drift_now, repair
from svcc.apply.engine import Event, Tell
from svcc.apply.errors import Outdated, Refused, raise_tool_failed
from svcc.apply.generation import Draft, Generation
from svcc.apply.installation import Installation
from svcc.apply.keeper import is_kept
from svcc.apply.kept_prefix import KeptPrefix
from svcc.apply.plan import Plan, basis_of
from svcc.apply.planned_draft import PlannedDraft
from svcc.apply.scope import scope_of_program
from svcc.apply.state_files import StoreError
from svcc.apply.store import Store
from svcc.apply.upkeep import Upkeep
from svcc.apply.valid_upkeep import ValidUpkeep
from svcc.apply.wanted import Wanted
from svcc.compiler import ir
from svcc.compiler.made_programs import checked_program
from svcc.kernel.steps import Change
from svcc.targets import find
from svcc.targets.interface import Bundle, Target

#: The most seconds within which an apply may be confirmed.
_A_DAY = 86_400


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
        self.tell = tell  # callers may set another one
        self._patience = drain.PATIENCE if waits else 0.0
        self._lock = RLock()
        self._prefix = KeptPrefix(self._store, what)
        self._program: ir.Program | None = None
        self._generation = 0  # the number of the generation that `svcc history` lists for that program
        self._services = CheckedServices()  # of that program
        self._planned: Wanted | None = None  # what the last plan wants
        self._compiled: Wanted | None = None  # the result, where the next program is compiled already
        self._upkeep = ValidUpkeep(self._store)  # changes services one by one, without comparing whole states

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Release the prefix, so that others may change objects under it. Everything in the kernel stays. No method can
        be used any more: they raise ValueError."""
        with self._lock:
            self._prefix.release()
            self._upkeep.end()
            self._planned = self._compiled = self._program = None

    @property
    def program(self) -> ir.Program | None:
        """The program that this session applied last."""
        return self._program

    def plan(self, given: ir.Program | Bundle, name: str = "") -> Plan:
        """Plan an apply of a program, or of a compiled bundle, and return what it would change. Nothing is changed.

        ``name``: the name that `svcc history` shows, most often a file's.

        Errors: InputError; ValueError where it is neither, or has a value of a wrong type; Kept, StoreError; Refused
        where the prefix or the device clashes with another prefix's; ToolFailed.
        """
        found = self._wanted(given if isinstance(given, Bundle) else checked_program(given), name)
        with self._working(found) as (installation, draft):
            number, changes = installation.number, self._plan_of(installation, draft).plan.changes
            self._planned = found
            return Plan(replace(found, assembly=None), number, changes, basis_of(number, changes))

    def apply(self, plan: Plan, *, allow_empty: bool = False, confirm_within: float | None = None) -> Generation:
        """Make the kernel hold what was planned: all of it or nothing.

        ``allow_empty``: whether to apply a plan that leaves no service at all; ``confirm_within``: the seconds after
        which the machine goes back by itself unless :meth:`confirm` is called.
        Errors: ValueError where ``confirm_within`` is not above 0 and at most a day; Outdated where the machine is no
        longer the one that the plan was made for; Refused; Unconfirmed where an earlier apply still waits to be
        confirmed; Restored where the apply failed, and everything is as it was; Broken where it failed, and so did
        going back; ToolFailed; Kept, StoreError.
        """
        _check_seconds(confirm_within)
        with self._working(plan.wanted) as (installation, draft):
            planned_draft = self._plan_of(installation, draft)
            if plan.basis != basis_of(installation.number, planned_draft.plan.changes):
                raise Outdated(plan, installation.number)
            planned_draft.check_serves(allow_empty=allow_empty)
            self._upkeep.end()
            installation.forget_health()
            generation = planned_draft.perform(self.tell, confirm_within)
            self._program, self._generation = plan.wanted.program, generation.reviewed
            planned, self._planned = self._planned, None
            if planned is not None and planned.bundle is plan.wanted.bundle and self._program is not None:
                self._start_upkeep(planned, draft, self._program)
            return generation

    def update(self, services: Mapping[str, ir.Service | None]) -> Generation:
        """Replace services of the program by these, by their names, in one transaction; None removes a service.

        The changed services are checked against the others.
        Errors: ValueError where no program was applied in this session, where a service has another name than its key,
        or where there is no service of that name to remove; Refused where the machine went back from the program, which
        was not confirmed in time; otherwise those of :meth:`plan` and :meth:`apply`.
        """
        with self._lock:
            if self._program is None:
                raise ValueError("this session applied no program yet, so it has no services to change")
            program = self._services.replaced(self._program, services)
            self.installation.forget_health()
            generation = self._follow(program, program, built_on=self._generation)
            self._services.go_on(program, services)
            return generation

    def follow(
        self, program: ir.Program, served: ir.Program, name: str = "", confirm_within: float | None = None
    ) -> Generation:
        """Apply a program, but serve it as ``served`` says: with failed endpoints draining, for example.

        `svcc history` lists the generation of ``program``. Where ``served`` differs, it is recorded as a further
        generation that is a note to that one. One transaction puts it into the kernel. ``confirm_within``: as of
        :meth:`apply`. Errors: those of :meth:`plan` and :meth:`apply`.
        """
        _check_seconds(confirm_within)
        return self._follow(program, served, name, confirm_within)

    def _follow(
        self,
        program: ir.Program,
        served: ir.Program,
        name: str = "",
        confirm_within: float | None = None,
        built_on: int | None = None,
    ) -> Generation:
        """Do what :meth:`follow` does. ``built_on``: the generation that the program was made from, which has to be in
        place still."""
        with self._lock, raise_tool_failed():
            done = self._upkeep.follow(program, served, name, self.tell) if confirm_within is None else None
            if done is not None:
                self._program, self._generation = program, done.reviewed
                return done
        reviewed = self._wanted(program, name)
        now = reviewed if served == program else self._wanted(served, name)
        with self._working(reviewed) as (installation, draft):
            self._upkeep.end()
            if built_on is not None:
                _check_in_place(installation, built_on)
            draft = draft_as_served(installation, reviewed, draft, now, same_services=program is self._program)
            planned_draft = self._plan_of(installation, draft)
            planned_draft.check_serves(allow_empty=False)
            generation = planned_draft.perform(self.tell, confirm_within)
            self._program, self._generation = program, generation.reviewed
            self._start_upkeep(now, draft, program)
            return generation

    def _start_upkeep(self, now: Wanted, draft: Draft, reviewed: ir.Program) -> None:
        """Make it possible to change services one by one from here on. ``now``: what was put into the kernel by
        ``draft``. ``reviewed``: the program of the generation that `svcc history` lists."""
        self._upkeep.start(Upkeep.of(self.installation, self._target, now, draft, reviewed, self._patience))

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
            return self._follow(self._program, served, built_on=self._generation)

    @property
    def untidy(self) -> bool:
        """Whether :meth:`tidy` has something to do: the changes that were written take as much space as the whole
        generation would."""
        return self._upkeep.due

    def tidy(self) -> bool:
        """Write the generation in place whole, where it is recorded as a change that has become long. The records of
        later changes are short again then. A separate process writes it, and other calls go on meanwhile.

        Return whether that was done. It was not where it was not needed, or where so much has changed meanwhile that
        the generation is not kept any more. Errors: ToolFailed, StoreError, OSError; the record is as it was then.
        """
        with self._lock:
            record = self._upkeep.long_record()
        if record is None:
            return False
        with raise_tool_failed():
            digest = whole.write_by_process(self._store.root, record.installation.name, record.generation)
        with self._lock, self._upkeep.locked():
            return self._upkeep.take_over(record, digest)

    @property
    def installation(self) -> Installation:
        """The installation of the prefix that this session keeps. Errors: ValueError, where it keeps none yet."""
        if self._prefix.installation is None:
            raise ValueError("this session keeps no prefix yet")
        return self._prefix.installation

    def installations(self) -> list[Installation]:
        """Return what is applied on this machine, under all prefixes but those that other sessions keep.

        Errors: StoreError, OSError.
        """
        with self._lock, self._store.reading():
            kept = self._prefix.installation
            own = None if kept is None else kept.name
            return [one for one in self._store.installations() if one.name == own or not is_kept(one)]

    def keep(self, program: ir.Program) -> Installation:
        """Keep the program's prefix from now on.

        Errors: Kept, StoreError, OSError.
        """
        with self._lock, self._upkeep.locked():
            return self._prefix.keep(scope_of_program(program))

    def drift(self) -> tuple[Change, ...]:
        """Return the changes that would put right what somebody else changed under the prefix since the last apply.

        This takes little time where the kernel is as it was left. Errors: ToolFailed, StoreError.
        """
        with self._lock, raise_tool_failed(), self._store.reading() as stamp:
            return () if self._upkeep.kernel_is_as_left(stamp) else drift_now(self.installation)

    def repair(self) -> tuple[Change, ...]:
        """Put right what :meth:`drift` finds, and return the changes that did so. Errors: those of :meth:`apply`."""
        with self._lock, raise_tool_failed(), self._upkeep.locked():
            self._upkeep.end()
            return repair(self.installation, self._patience, self.tell)

    def confirm(self) -> bool:
        """Keep what was applied with ``confirm_within``. Return whether it stays: False where nothing waits, and where
        the time is over, so that the machine goes back. Errors: those of :meth:`apply`."""
        with self._lock:
            return self.unconfirmed and self.settle(keep=True)

    @property
    def unconfirmed(self) -> bool:
        """Whether an apply waits to be confirmed. Errors: StoreError."""
        with self._lock, self._store.reading():
            installation = self._prefix.installation
            return installation is not None and confirm.Pending.read(installation) is not None

    def settle(self, *, keep: bool) -> bool:
        """Keep the apply that waits to be confirmed (``keep``), or undo it now. Return whether it is kept.

        An apply whose time to confirm is over is undone in any case. Errors: those of :meth:`apply`.
        """
        with self._lock, raise_tool_failed(), self._upkeep.locked():
            installation = self.installation
            pending = confirm.Pending.read(installation)
            if pending is not None and keep and pending.seconds_left > 0:
                confirm.disarm(installation)
                return True
            self._upkeep.end()
            self._program = None
            if pending is not None:
                confirm.set_damaged_aside(installation)
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
        with self._lock, raise_tool_failed(), self._upkeep.locked():
            scope = self._prefix.scope_of(found)
            installation = self._prefix.keep(scope)
            for sentence in confirm.settle(installation):
                self._upkeep.end()
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

    def _plan_of(self, installation: Installation, draft: Draft) -> PlannedDraft:
        return PlannedDraft.of(self._store, installation, draft, self._patience)


def _check_seconds(confirm_within: float | None) -> None:
    """Check how many seconds there are to confirm an apply. Errors: ValueError."""
    if confirm_within is not None and not (isinstance(confirm_within, int | float) and 0 < confirm_within <= _A_DAY):
        raise ValueError(f"confirm_within is {confirm_within!r}; it is more than 0 and at most {_A_DAY} seconds")


def _check_in_place(installation: Installation, number: int) -> None:
    """Check that a generation that this session applied is still in place. Errors: Refused, where the machine went back
    from it, as nobody confirmed it in time."""
    current = installation.current
    if current is None or current.reviewed != number:
        raise Refused([f"the machine went back from generation {number}, which nobody confirmed in time; apply again"])


def _find_target(name: str) -> Target:
    """Return the target of a name. Errors: ValueError where there is none, or none that a kernel loads."""
    target = find(name)
    if target is None or not target.loads:
        raise ValueError(f"{name} is no target that a kernel loads")
    return target
