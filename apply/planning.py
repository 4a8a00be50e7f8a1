"""What stands between the machine and what it is to hold, and what would lead there. Nothing is changed here."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from svcc.apply import drain
from svcc.apply.arp_settings import arp_obstacles
from svcc.apply.by_service import ChangedServices, differing_rules
from svcc.apply.driver import Look, Transition
from svcc.apply.generation import Draft, Generation
from svcc.apply.installation import Installation
from svcc.apply.known import Known, looks_of
from svcc.apply.machine import Begun, Machine
from svcc.apply.nd_settings import nd_obstacles
from svcc.apply.own_addresses import own_addresses
from svcc.apply.scope import Scope
from svcc.apply.state_files import StoreError
from svcc.apply.states import Differing, States
from svcc.apply.store import Store
from svcc.apply.summary import Summary
from svcc.kernel.steps import Change, Phase, Place, Route, Step
from svcc.targets import find
from svcc.targets.interface import Bundle


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
    gone_routes: frozenset[Route] = frozenset()  # of the state before, for new connections
    new_places: frozenset[Place] = frozenset()  # places that are served afterwards, and were not
    patience: float = drain.PATIENCE  # seconds, for connections that only the target before can carry on
    begun: Begun = field(default_factory=dict, repr=False)  # what the live state was read from
    differing: Differing = field(default=(), repr=False)
    lasting: frozenset[Route] = frozenset()  # of those that are gone: whose connections go on, UDP's too
    networks: tuple[str, ...] = ()  # in which local addresses serve node ports afterwards; none: in all
    looks: Mapping[str, Look] = field(default_factory=dict, repr=False)  # of parts that are not looked at, and stay
    asking: bool = False  # of what differs alone: all else is known to be there, and not read
    #: The machine, where ``machine`` knows too little of the bundles to read all that may be ours.
    whole: Callable[[], Machine] | None = field(default=None, repr=False)
    changed: ChangedServices | None = field(default=None, repr=False)  # where it is a plan of these alone

    @property
    def ending(self) -> frozenset[Route]:
        """Routes whose UDP connections are forgotten."""
        return frozenset(route for route in self.gone_routes - self.lasting if route.place.protocol == "udp")

    @property
    def empty(self) -> bool:
        """Whether the kernel holds already what is wanted."""
        return not self.changes

    def whole_machine(self) -> Machine:
        """The machine as going back needs it. Errors: StoreError, ValueError."""
        return self.machine if self.whole is None else self.whole()

    @property
    def recognised(self) -> bool:
        """Whether all that takes long to read looked as it is known to."""
        return all(self.live.from_text(one) is not None for one in self.machine.drivers if one.part in self.begun)


@dataclass(frozen=True)
class _Recorded:
    """A generation that the kernel's rules are known to be of."""

    bundle: Callable[[], Bundle | None]
    scope: Scope  # but for its bundle
    begun: Begun
    live: States


@dataclass(frozen=True)
class Ahead:
    """Listings of the kernel that began early, while the program was still being compiled."""

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
    scope = _scope(draft.scope, before)
    looks = looks_of(installation, before) if before is not None else {}
    begun = ahead.begun if ahead is not None and ahead.holds(installation, scope) else Machine(scope).begin(looks)
    if before is not None and looks:
        changed = differing_rules(installation, before, draft, Machine(scope), begun, looks)
        if changed is not None:
            whole = partial(installation.bundle, before)
            live = Machine(scope).parse_later(whole, looks)
            return _plan_of_rules(_Recorded(whole, scope, begun, live), changed, draft, patience)
    ended, old = _finished(installation, before, draft), _known(installation, before)
    known = Machine(scope.including(old))
    machine = Machine(known.scope.including(draft.bundle))
    wanted = machine.parse(draft.bundle)
    looks = {} if old is None else looks
    live = known.read(wanted, begun, Known(old, looks))  # what the draft wants is not ours yet
    transition = Transition(before.target if before else None, draft.bundle.target if draft.bundle else None)
    differing = machine.differing(live, wanted)
    if not differing:
        # What stands in the way of changes is looked for where there are any. A service address that has since come to
        # be the machine's own is none: the rules do not depend on it, so that the same would be made anew, and refusing
        # nothing would help nobody. The next change is refused, and names it.
        return Plan(machine, transition, live, wanted, (), (), (), ended, begun=begun)
    gone = frozenset(machine.gone_routes(differing, transition)) | ended
    return Plan(
        machine,
        transition,
        live,
        wanted,
        tuple(machine.changes(differing)),
        with_drain(machine.steps(live, differing, transition), drain.drain_steps(differing, transition, patience)),
        _obstacles(known, differing, draft.bundle),
        gone,
        frozenset(machine.new_places(differing)),
        patience,
        begun,
        differing,
        _lasting(gone, draft.summary, transition),
        draft.summary.node_port_networks,
    )


def _plan_of_rules(there: _Recorded, changed: ChangedServices, draft: Draft, patience: float) -> Plan:
    """The plan where rules of some services are all that differs (:mod:`svcc.apply.by_service`): neither the bundle
    before nor the whole states are made, unless somebody asks for them. Errors: StepError.
    """
    machine = Machine(there.scope.including(draft.bundle))
    wanted, here = machine.parse(draft.bundle), Transition(draft.target, draft.target)
    differing, (before, after) = changed.differing, changed.summaries()
    gone = frozenset(machine.gone_routes(differing, here)) | finished(before, after)
    return Plan(
        machine,
        here,
        there.live,
        wanted,
        tuple(machine.changes(differing)),
        tuple(machine.steps(there.live, differing, here, translates=True)),
        _obstacles(machine, differing, draft.bundle) if differing else (),
        gone,
        frozenset(machine.new_places(differing)),
        patience,
        there.begun,
        differing,
        _lasting(gone, after, here),
        after.node_port_networks,
        whole=lambda: Machine(machine.scope.including(there.bundle())),
        changed=changed,
    )


def _obstacles(known: Machine, differing: Differing, bundle: Bundle | None) -> tuple[str, ...]:
    """What stands in the way of changes, a sentence each, each once. Errors: StepError."""
    found = (
        *known.obstacles(differing),
        *own_addresses(bundle, known.scope),
        *arp_obstacles(bundle, known.scope),
        *nd_obstacles(bundle),
    )
    return tuple(dict.fromkeys(found))


def _finished(installation: Installation, before: Generation | None, draft: Draft) -> frozenset[Route]:
    """The routes of endpoints that were draining, and are gone: their UDP flows would go on for ever. None of a bundle
    that was compiled elsewhere: which endpoints it has is not known.
    """
    if draft.bundle is not None and not draft.summary.listeners:
        return frozenset()
    try:
        old = installation.summary(before)
    except StoreError:
        return frozenset()
    return finished(old, draft.summary)


def finished(old: Summary, new: Summary) -> frozenset[Route]:
    """The UDP routes of endpoints that are draining in one summary, and are not in the other at all."""
    return frozenset(route for route in old.finishing("udp") if not new.lasts(route))


def _lasting(gone: Collection[Route], wanted: Summary, transition: Transition) -> frozenset[Route]:
    """The routes that are gone for new connections alone: their endpoints are draining, or are on other nodes.

    None, where connections end with the balancer that carries them.
    """
    if transition.from_balancer:
        return frozenset()
    return frozenset(route for route in gone if wanted.lasts(route))


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
