"""All of it or none of it: from the state that is there to the one that is wanted, and back if anything fails.

Going back is no list of undone steps: it is going to the state before from wherever the machine is now, the same way
as forward. So it works after a failure, after a kill at any point, and after somebody else's interference.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace

from svcc.apply import drain
from svcc.apply.arp_settings import arp_obstacles
from svcc.apply.doctor import preflight
from svcc.apply.driver import Look, Transition
from svcc.apply.generation import ChangeDraft, Draft, Generation
from svcc.apply.installation import Installation
from svcc.apply.journal import Journal
from svcc.apply.known import Known, looks_of, note_looks
from svcc.apply.machine import Begun, Differing, Machine
from svcc.apply.nd_settings import nd_obstacles
from svcc.apply.own_addresses import own_addresses
from svcc.apply.scope import Scope
from svcc.apply.state_files import StoreError, damaged
from svcc.apply.states import States
from svcc.apply.store import Store
from svcc.apply.summary import Summary
from svcc.compiler.errors import SvccError
from svcc.kernel import conntrack
from svcc.kernel.steps import Change, Phase, Place, Route, Step, StepError
from svcc.targets import find
from svcc.targets.interface import Bundle

#: Rounds of going to a state, before it is said that it cannot be had.
_ROUNDS = 3


@dataclass(frozen=True)
class Event:
    """Something that happens on the way; ``step`` where it is about one."""

    what: (
        str  # checking, recording, step, switched, waiting, done, undoing, reading back, finishing, forgetting, warning
    )
    step: Step | None = None
    number: int = 0  # of the step, from 1
    total: int = 0
    words: str = ""  # of a warning


#: Is told every event before it happens; may raise, which ends the apply there, and is undone.
Tell = Callable[[Event], None]


class Refused(SvccError):
    """The apply was not begun: what is in the way, a sentence each."""

    def __init__(self, reasons: Sequence[str]) -> None:
        self.reasons = tuple(dict.fromkeys(reasons))  # one tool may be missing for several parts
        super().__init__("; ".join(self.reasons))


class Restored(SvccError):
    """The apply failed and everything is as it was. ``cause`` says why."""

    def __init__(self, cause: BaseException) -> None:
        super().__init__(str(cause))
        self.cause = cause


class Broken(SvccError):
    """The apply failed, and so did going back. ``left`` is what differs from the state before."""

    def __init__(self, cause: BaseException, left: Sequence[Change], words: str = "") -> None:
        super().__init__(str(cause))
        self.cause = cause
        self.left = tuple(left)
        self.words = words  # why there is no going back, where it failed outright


class NotTaken(Exception):
    """The kernel does not hold what it was given, though no tool complained."""

    def __init__(self, changes: Sequence[Change]) -> None:
        shown = "; ".join(map(str, changes[:3])) + ("; …" if len(changes) > 3 else "")
        super().__init__(f"the kernel does not hold what it was given: {shown}")
        self.changes = tuple(changes)


@dataclass(frozen=True)
class Plan:
    """What stands between the machine and a bundle. Made without changing anything."""

    machine: Machine
    transition: Transition
    live: States = field(repr=False)
    wanted: States = field(repr=False)
    changes: tuple[Change, ...]
    steps: tuple[Step, ...]
    obstacles: tuple[str, ...]
    left: frozenset[Route] = frozenset()  # routes that are gone afterwards
    come: frozenset[Place] = frozenset()  # places that are served afterwards, and were not
    patience: float = drain.PATIENCE  # seconds, for connections that only the target before can carry on
    begun: Begun = field(default_factory=dict, repr=False)  # what the live state was read from
    differing: Differing = field(default=(), repr=False)
    lasting: frozenset[Route] = frozenset()  # of those that are gone: whose connections go on, UDP's too
    networks: tuple[str, ...] = ()  # in which local addresses serve node ports afterwards; none: in all
    looks: Mapping[str, Look] = field(default_factory=dict, repr=False)  # of parts that are not looked at, and stay
    asking: bool = False  # of what differs alone: all else is known to be there, and not read
    #: The machine, where ``machine`` knows too little of the bundles to read all that may be ours.
    whole: Callable[[], Machine] | None = field(default=None, repr=False)

    @property
    def ending(self) -> frozenset[Route]:
        """Routes whose UDP connections are forgotten."""
        return frozenset(route for route in self.left - self.lasting if route.place.protocol == "udp")

    @property
    def empty(self) -> bool:
        return not self.changes

    def whole_machine(self) -> Machine:
        """The machine as going back needs it. Errors: StoreError, ValueError."""
        return self.machine if self.whole is None else self.whole()

    @property
    def recognised(self) -> bool:
        """Whether all that takes long to read looked as it is known to."""
        return all(self.live.told(part) is not None for part in self.begun)


@dataclass(frozen=True)
class Ahead:
    """Readings that were begun before it was known what they are to be compared with."""

    generation: int | None
    scope: Scope
    begun: Begun
    stamp: str = ""  # of the store, when they were begun

    def holds(self, installation: Installation, scope: Scope) -> bool:
        """Whether it is this installation's objects that are read, and no other svcc changed them since."""
        return self.generation == installation.number and self.scope == replace(scope, bundles=())


def look_ahead(store: Store) -> Ahead | None:
    """Begin to read what is there, while a program is compiled: most machines have one installation, and compiling is
    for that. None where there is nothing to begin with, or something is under way.

    What is read is good for nothing when somebody takes the lock to change anything meanwhile: see ``stamp``.
    Errors: StepError, StoreError.
    """
    with store.reading(patience=0) as stamp:
        found = [one for one in store.installations() if one.holds]
        generation = found[0].current if len(found) == 1 and not found[0].journal.exists() else None
        if generation is None:
            return None
        scope = Scope(generation.prefix, generation.device)
        looks = looks_of(found[0], generation)
        return Ahead(generation.number, scope, Machine(scope).begin(looks), stamp)


def make_plan(
    installation: Installation, draft: Draft, patience: float = drain.PATIENCE, ahead: Ahead | None = None
) -> Plan:
    """Compare the machine with a draft. ``patience``: see :mod:`svcc.apply.drain`; ``ahead``: see :func:`look_ahead`.

    Errors: StepError, StoreError, ValueError.
    """
    before = installation.current
    old = _known(installation, before)
    known = Machine(_scope(draft.scope, before).including(old))
    machine = Machine(known.scope.including(draft.bundle))
    wanted = machine.parse(draft.bundle)
    looks = looks_of(installation, before) if before is not None and old is not None else {}
    begun = ahead.begun if ahead is not None and ahead.holds(installation, known.scope) else known.begin(looks)
    live = known.read(wanted, begun, Known(old, looks))  # what the draft wants is not ours yet
    transition = Transition(before.target if before else None, draft.bundle.target if draft.bundle else None)
    differing = machine.differing(live, wanted)
    ended = _finished(installation, before, draft)
    if not differing:
        return Plan(machine, transition, live, wanted, (), (), (), ended, begun=begun)
    left = frozenset(machine.left(differing, transition)) | ended
    return Plan(
        machine,
        transition,
        live,
        wanted,
        tuple(machine.changes(differing)),
        with_drain(machine.steps(live, differing, transition), drain.drain_steps(differing, transition, patience)),
        tuple(
            dict.fromkeys(
                (
                    *known.obstacles(differing),
                    *own_addresses(draft.bundle, known.scope),
                    *arp_obstacles(draft.bundle, known.scope),
                    *nd_obstacles(draft.bundle),
                )
            )
        ),
        left,
        frozenset(machine.come(differing)),
        patience,
        begun,
        differing,
        _lasting(left, draft, transition),
        draft.summary.node_port_networks,
    )


def _finished(installation: Installation, before: Generation | None, draft: Draft) -> frozenset[Route]:
    """Of endpoints that were there to finish what they had, and left: their UDP flows would go on for ever. Of a bundle
    that was compiled elsewhere it is not known whether they left.
    """
    if draft.bundle is not None and not draft.summary.listeners:
        return frozenset()
    try:
        old = installation.summary(before)
    except StoreError:
        return frozenset()
    return finished(old, draft.summary)


def finished(old: Summary, new: Summary) -> frozenset[Route]:
    """The routes of UDP that one summary has to finish, and another has not at all."""
    return frozenset(route for route in old.finishing("udp") if not new.lasts(route))


def _lasting(left: Collection[Route], draft: Draft, transition: Transition) -> frozenset[Route]:
    """The routes that are gone for new connections only: their endpoints are draining, or served from other nodes.

    Not where connections end with what carries them.
    """
    if transition.from_balancer:
        return frozenset()
    return frozenset(route for route in left if draft.summary.lasts(route))


def nothing_to_do(installation: Installation, generation: Generation, ahead: Ahead | None) -> Plan | None:
    """The empty plan, where the machine looks as it is known to while the generation is in place; not even its bundle
    is read then. None: make a plan. Errors: StepError, StoreError.
    """
    scope = Scope(generation.prefix, generation.device)
    machine = Machine(scope)
    looks = looks_of(installation, generation)
    begun = ahead.begun if ahead is not None and ahead.holds(installation, scope) else machine.begin(looks)
    target = find(generation.target) if generation.target else None
    filled = [part.name for part in target.parts] if target else []
    if not machine.looks_like(looks, begun, filled):
        return None
    return Plan(machine, Transition(generation.target, generation.target), States({}), States({}), (), (), ())


def note(plan: Plan, installation: Installation, draft: Draft) -> None:
    """Remember how the machine looks, where it holds what the current generation put there, and what that is compiled
    from. The store's lock is held. What cannot be noted is found out again the next time.
    """
    current = installation.current
    if (
        plan.empty
        and current is not None
        and installation.is_bundle_of(current, draft)
        and not installation.journal.exists()
    ):
        with suppress(OSError, StepError):
            note_looks(installation, current, plan.machine.looks(plan.begun, plan.live))
            installation.note_origin(current, draft)


def with_drain(steps: Sequence[Step], waiting: Sequence[Step]) -> tuple[Step, ...]:
    """Before the first step that takes something away from the target before."""
    first = next((at for at, step in enumerate(steps) if step.phase > Phase.DRAIN), len(steps))
    return (*steps[:first], *(waiting if first < len(steps) else ()), *steps[first:])


def _known(installation: Installation, generation: Generation | None) -> Bundle | None:
    """A generation's bundle; one that is damaged is no reason to stay where it led."""
    try:
        return installation.bundle(generation)
    except StoreError:
        return None


def _scope(scope: Scope, before: Generation | None) -> Scope:
    """As the generation before spelt it: nft's tables do not tell `Custom` from `CUSTOM`, nor what device there was."""
    if before is None or scope.prefix.lower() != before.prefix.lower():
        return scope
    return replace(scope, prefix=before.prefix, device=scope.device or before.device)


def check(plan: Plan, tell: Tell) -> None:
    """Try every step that can be tried without effect. Errors: Refused, StepError."""
    lacking = preflight(plan.transition.new) if plan.transition.new is not None and plan.steps else []
    if lacking or plan.obstacles:
        raise Refused([*lacking, *plan.obstacles])
    for number, step in enumerate(plan.steps, 1):
        if step.check is not None:
            tell(Event("checking", step, number, len(plan.steps)))
            step.check()


def perform(plan: Plan, installation: Installation, draft: Draft | ChangeDraft, tell: Tell) -> Generation:
    """Make the machine match the draft, and say so in the store, whose lock is held.

    Errors: Restored, Broken; OSError and StoreError where nothing was begun.
    """
    before = installation.number
    generation = installation.record(draft)
    journal = Journal(installation.journal, before, generation.number, plan.machine.dump(plan.live))
    try:
        tell(Event("recording"))
        journal.write()
    except BaseException:
        journal.remove()
        installation.forget(generation.number)
        raise
    try:
        journal = _take(plan, journal, tell)
        looks = _read_back(plan, tell)
        tell(Event("finishing"))
        installation.make_current(generation.number)
    except BaseException as error:
        with suppress(OSError):
            journal.switch(forward=False)
        _undo(plan, error, tell)
        if installation.number != before:
            installation.make_current(before)
        journal.remove()
        installation.forget(generation.number)
        raise Restored(error) from error
    journal.remove()
    with suppress(OSError):
        note_looks(installation, generation, {**plan.looks, **looks})
    _forget(plan, tell)
    return generation


def _take(plan: Plan, journal: Journal, tell: Tell) -> Journal:
    """All steps.

    The new rules are in after the last step up to their phase; addresses may be taken before it (see Machine.steps).
    """
    rules = max((number for number, step in enumerate(plan.steps, 1) if step.phase <= Phase.RULES), default=0)
    for number, step in enumerate(plan.steps, 1):
        if number > rules and not journal.switched and plan.transition.new is not None:
            tell(Event("switched"))
            journal = journal.switch(forward=True)
        tell(Event("step", step, number, len(plan.steps)))
        if step.phase is Phase.DRAIN:
            drain.wait(plan.differing, plan.patience, lambda left: tell(Event("waiting", number=left)))
        else:
            step.run()
        tell(Event("done", step, number, len(plan.steps)))
    return journal


def _forget(plan: Plan, tell: Tell) -> None:
    """Have the kernel forget UDP connections that would lead nowhere. The new rules serve without that, so nothing that
    goes wrong here is a reason to take them out again."""
    try:
        stale = conntrack.stale(plan.ending, plan.come, plan.networks)
        if stale:
            _quietly(tell, Event("forgetting", number=len(stale)))
            conntrack.forget(stale)
    except (StepError, OSError, ValueError) as error:
        words = f"UDP connections of endpoints that left may go on to them for a while: {error}"
        _quietly(tell, Event("warning", words=words))


def _read_back(plan: Plan, tell: Tell) -> dict[str, Look]:
    """See that the kernel holds what it was given; how it looks then, as far as all of it was read."""
    tell(Event("reading back"))
    machine = plan.machine
    left, looks = machine.read_back(plan.differing, plan.wanted, plan.begun, asking=plan.asking)
    if left:
        raise NotTaken(machine.changes(left))
    changed = {driver.part for driver, _, _ in plan.differing}
    same = {part: reading for part, reading in plan.begun.items() if part not in changed}
    return {**machine.looks(same, plan.live), **looks}


def _undo(plan: Plan, cause: BaseException, tell: Tell) -> None:
    """Back to the state before. Errors: Broken."""
    _quietly(tell, Event("undoing"))
    machine, back = plan.machine, Transition(plan.transition.new, plan.transition.old)
    try:
        machine = plan.whole_machine()
        left = converge(machine, plan.live, back)
    except (StepError, OSError, ValueError) as error:
        raise Broken(cause, _what_differs(machine, plan.live), str(error)) from cause
    if left:
        raise Broken(cause, left) from cause


def converge(machine: Machine, wanted: States, transition: Transition) -> list[Change]:
    """Go to a state from wherever the machine is; returns what differs still. Errors: StepError."""
    failure: StepError | None = None
    for _ in range(_ROUNDS):
        live = machine.read(wanted)
        differing = machine.differing(live, wanted)
        if not differing:
            return []
        failure = None
        for step in machine.steps(live, differing, transition):
            try:
                step.run()
            except StepError as error:  # the others may do without it, and the next round sees what is left
                failure = error
    if failure is not None:
        raise failure
    return machine.changes(machine.differing(machine.read(wanted), wanted))


def _what_differs(machine: Machine, wanted: States) -> list[Change]:
    try:
        return machine.changes(machine.differing(machine.read(wanted), wanted))
    except (StepError, OSError, ValueError):
        return []


def _quietly(tell: Tell, event: Event) -> None:
    """Going back is not stopped by anybody who does not want to hear of it."""
    with suppress(Exception):
        tell(event)


# ---- after a kill


def recover(installation: Installation) -> str:
    """Finish or undo what a killed apply left, the store's lock being held; says what was done, "" if nothing was.

    Forward where the new rules were in, else back. Errors: Broken, StepError, StoreError.
    """
    journal = Journal.read(installation.journal)
    if journal is None:
        installation.forget_unborn()
        return ""
    after = installation.generation(journal.after)
    before = None if journal.before is None else installation.generation(journal.before)
    new, old = installation.bundle(after), installation.bundle(before)
    machine = Machine(installation.scope(after).including(old, new))
    forward = journal.switched or installation.number == journal.after
    there = Transition(before.target if before else None, after.target)
    if forward:
        arrive(machine, machine.parse(new), there)
    else:
        arrive(machine, _states(machine, journal, old), Transition(there.new, there.old))
    end(installation, journal, forward=forward)
    how = "finished" if forward else "undone"
    return f"generation {after.number}, which was under way when svcc was stopped, is {how}"


def _states(machine: Machine, journal: Journal, old: Bundle | None) -> States:
    """The states before. Errors: StoreError where the journal holds none."""
    try:
        return machine.load(journal.states, old)
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise damaged(journal.path, f"its states cannot be read: {error!r}"[:100]) from error


def arrive(machine: Machine, wanted: States, transition: Transition) -> None:
    """Go to a state from wherever the machine is. Errors: StepError, Broken."""
    left = converge(machine, wanted, transition)
    if left:
        raise Broken(NotTaken(left), left)


def end(installation: Installation, journal: Journal, *, forward: bool) -> None:
    """Close a journal: the generation after is the current one, or never was."""
    current = journal.after if forward else journal.before
    if installation.number != current:
        installation.make_current(current)
    journal.remove()
    if not forward:
        installation.forget(journal.after)


def give_up(installation: Installation) -> None:
    """Forget an apply that can neither be finished nor undone: the next one goes on from what is there."""
    journal = Journal.read(installation.journal)
    if journal is not None:
        end(installation, journal, forward=installation.number == journal.after)
