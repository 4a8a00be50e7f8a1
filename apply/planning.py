"""Compare the machine with what it is to hold, and plan the steps that lead there. Nothing is changed here."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from functools import partial

from svcc.apply import drain
from svcc.apply.arp_settings import arp_obstacles
from svcc.apply.by_service import ChangedServices, differing_rules
from svcc.apply.driver import Transition
from svcc.apply.execution_plan import ExecutionPlan, execution_plan
from svcc.apply.fingerprints import RecordedParts, recorded_parts
from svcc.apply.generation import Draft, Generation
from svcc.apply.installation import Installation
from svcc.apply.machine import Machine, Readings
from svcc.apply.nd_settings import nd_obstacles
from svcc.apply.other_prefixes import OtherPrefixes
from svcc.apply.own_addresses import own_addresses
from svcc.apply.scope import Scope
from svcc.apply.state_files import StoreError
from svcc.apply.states import Differing, States
from svcc.apply.store import Store
from svcc.apply.summary import Summary
from svcc.kernel.routes import Routes
from svcc.targets import find
from svcc.targets.interface import Bundle


@dataclass(frozen=True)
class _Recognised:
    """The generation in place, where the kernel's rules match its fingerprints."""

    bundle: Callable[[], Bundle | None]
    scope: Scope  # without the bundle
    readings: Readings
    live: States


@dataclass(frozen=True)
class EarlyReadings:
    """Readings of the kernel that were begun early, while the program was still being compiled."""

    generation: int | None
    scope: Scope
    recorded: RecordedParts  # of that generation
    readings: Readings
    stamp: str = ""  # the store's stamp when they were begun

    def are_of(self, installation: Installation, scope: Scope) -> bool:
        """Whether they are readings of this installation in this scope, and its generation is still the same."""
        return self.generation == installation.number and self.scope == replace(scope, bundles=())


def read_early(store: Store) -> EarlyReadings | None:
    """Begin to read the kernel while a program is being compiled. That is possible where the machine has one
    installation, as most have: the program is for it. Return None where it has none or several, and where an apply is
    under way.

    The readings are of no use once somebody takes the store's lock to change anything: ``stamp`` shows that.
    Errors: StepError, StoreError.
    """
    with store.reading(patience=0) as stamp:
        found = [one for one in store.installations() if one.may_have_objects]
        generation = found[0].current if len(found) == 1 and not found[0].journal.exists() else None
        if generation is None:
            return None
        scope = Scope(generation.prefix, generation.device)
        recorded = recorded_parts(found[0], generation)
        return EarlyReadings(generation.number, scope, recorded, Machine(scope).begin(recorded.fingerprints), stamp)


def _begin(
    installation: Installation, before: Generation | None, scope: Scope, early: EarlyReadings | None
) -> tuple[RecordedParts, Readings]:
    """Return what is recorded of the parts of the generation in place (``before``), and readings of the kernel: the
    early ones where they are of that generation, else readings that begin now. Errors: StepError."""
    if early is not None and early.are_of(installation, scope):
        return early.recorded, early.readings
    recorded = RecordedParts() if before is None else recorded_parts(installation, before)
    return recorded, Machine(scope).begin(recorded.fingerprints)


def make_plan(
    installation: Installation,
    draft: Draft,
    patience: float = drain.PATIENCE,
    early: EarlyReadings | None = None,
    *,
    again: bool = False,
    going_back: bool = False,
    gone: Collection[str] = (),
) -> ExecutionPlan:
    """Compare the machine with a draft, and return the plan that leads to it.

    ``patience``: see :mod:`svcc.apply.drain`. ``early``: see :func:`read_early`. ``again``: whether the draft is the
    generation in place, which the kernel has lost; an address that has come to a device since is no obstacle then, as
    to serve nothing would help nobody. ``going_back``: whether the draft was in the kernel before. What it declares is
    ours then, and what others use is left behind, emptied. ``gone``: the names of other installations that are taken
    away before. Errors: StepError, StoreError, ValueError.
    """
    before, other_prefixes = installation.current, OtherPrefixes(installation, gone)
    scope = _scope_spelt_as_before(draft.scope, before)
    recorded, readings = _begin(installation, before, scope, early)
    fingerprints = recorded.fingerprints
    if before is not None and fingerprints and not going_back:
        changed = differing_rules(installation, before, draft, Machine(scope), readings, fingerprints)
        if changed is not None:
            whole = partial(installation.bundle, before)
            live = Machine(scope).parse_later(whole, fingerprints)
            return _plan_of_rules(_Recognised(whole, scope, readings, live), changed, draft, patience, other_prefixes)
    ended, old = _ended_flows(installation, before, draft), _readable_bundle(installation, before)
    known = Machine(scope.including(old, draft.bundle if going_back else None))
    machine = Machine(known.scope.including(draft.bundle))
    wanted = machine.parse(draft.bundle)
    fingerprints = {} if old is None else fingerprints
    live = known.read(wanted, readings, old, fingerprints)  # objects of the draft alone are not ours yet
    transition = Transition(before.target if before else None, draft.bundle.target if draft.bundle else None)
    differing, foreign = machine.differing(live, wanted), tuple(known.foreign(live))
    left: tuple[str, ...] = ()
    if going_back:
        wanted, left = machine.leaving_used(differing, wanted)
        differing = machine.differing(live, wanted)
    if not differing:
        # Obstacles are looked for only where something changes. A service address may have become the machine's own
        # since the last apply. To refuse an apply that changes nothing would not help; the next change is refused.
        ended -= other_prefixes.lasting(ended)
        return ExecutionPlan(machine, transition, live, wanted, (), (), (), ended, readings=readings, foreign=foreign)
    plan = execution_plan(
        machine,
        transition,
        live,
        wanted,
        differing,
        obstacles=_obstacles(known, differing, draft.bundle, again=again),
        ended=ended,
        lasting=lasting(draft.summary, transition, other_prefixes),
        networks=draft.summary.node_port_networks,
        patience=patience,
        readings=readings,
        other_prefixes=other_prefixes,
    )
    return replace(plan, foreign=foreign, left=left)


def _plan_of_rules(
    recognised: _Recognised, changed: ChangedServices, draft: Draft, patience: float, other_prefixes: OtherPrefixes
) -> ExecutionPlan:
    """Return the plan where only the rules of some services differ (:mod:`svcc.apply.by_service`). Neither the old
    bundle nor the whole states are made, unless somebody asks for them. Errors: StepError.
    """
    machine = Machine(recognised.scope.including(draft.bundle))
    wanted, here = machine.parse(draft.bundle), Transition(draft.target, draft.target)
    differing, (before, after) = changed.differing, changed.summaries
    plan = execution_plan(
        machine,
        here,
        recognised.live,
        wanted,
        differing,
        obstacles=_obstacles(machine, differing, draft.bundle) if differing else (),
        ended=ended_flows(before, after),
        lasting=lasting(after, here, other_prefixes),
        networks=after.node_port_networks,
        patience=patience,
        readings=recognised.readings,
        other_prefixes=other_prefixes,
        translates=True,
    )
    return replace(
        plan,
        make_whole_machine=lambda: Machine(machine.scope.including(recognised.bundle())),
        changed=changed,
        foreign=tuple(machine.foreign(recognised.live)),
    )


def _obstacles(known: Machine, differing: Differing, bundle: Bundle | None, *, again: bool = False) -> tuple[str, ...]:
    """Return what stands in the way of changes: sentences, each of them once. Errors: StepError."""
    found = (
        *known.obstacles(differing),
        *(() if again else own_addresses(bundle, known.scope)),
        *arp_obstacles(bundle, known.scope),
        *nd_obstacles(bundle),
    )
    return tuple(dict.fromkeys(found))


def _ended_flows(installation: Installation, before: Generation | None, draft: Draft) -> Routes:
    """Return the routes of endpoints that were draining, and are gone: their UDP flows would go on for ever. There are
    none for a bundle that was compiled before, as its endpoints are not known.
    """
    if draft.bundle is not None and not draft.summary.frontends:
        return Routes()
    try:
        old = installation.summary(before)
    except StoreError:
        return Routes()
    return ended_flows(old, draft.summary)


def ended_flows(old: Summary, new: Summary) -> Routes:
    """Return the UDP routes of endpoints that are draining in the old summary, and are not in the new one at all."""
    ended = Routes.of(old.draining_routes("udp"))
    return ended - new.lasting(ended)


def lasting(wanted: Summary, transition: Transition, other_prefixes: OtherPrefixes) -> Callable[[Routes], Routes]:
    """Return the function that returns those of gone routes whose connections go on: the endpoint is draining, the
    node sends new connections only to others, or another prefix has the endpoint. No connections go on where IPVS
    carried them: they end with it.
    """
    if transition.from_balancer:
        return lambda _: Routes()
    return lambda gone: wanted.lasting(gone) | other_prefixes.lasting(gone)


def nothing_to_do(
    installation: Installation, generation: Generation, early: EarlyReadings | None
) -> ExecutionPlan | None:
    """Return the empty plan where all parts match the fingerprints of the generation in place; its bundle is not read
    for that. Return None where a plan has to be made. Errors: StepError, StoreError.
    """
    scope = Scope(generation.prefix, generation.device)
    machine = Machine(scope)
    recorded, readings = _begin(installation, generation, scope, early)
    target = find(generation.target) if generation.target else None
    filled = [part.name for part in target.parts if part.name not in recorded.empty] if target else []
    if not machine.is_as_recorded(recorded.fingerprints, readings, filled):
        return None
    return ExecutionPlan(machine, Transition(generation.target, generation.target), States({}), States({}), (), (), ())


def _readable_bundle(installation: Installation, generation: Generation | None) -> Bundle | None:
    """Return a generation's bundle. Return None also where its record is damaged: svcc then goes on from what it finds
    in the kernel."""
    try:
        return installation.bundle(generation)
    except StoreError:
        return None


def _scope_spelt_as_before(scope: Scope, before: Generation | None) -> Scope:
    """Return the scope with the prefix as the generation before spelt it, as nft's tables do not tell `Custom` from
    `CUSTOM`; and with that generation's device, where the scope names none."""
    if before is None or scope.prefix.lower() != before.prefix.lower():
        return scope
    return replace(scope, prefix=before.prefix, device=scope.device or before.device)
