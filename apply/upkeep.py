"""Change single services for a session, without comparing whole states.

Such a change takes time for the changed services alone: for their contributions, the objects that differ, and a
generation that is recorded as a change to an earlier one. It is possible where the kernel is known to hold what it
should: nobody else took the store's lock since, and the rules still match their fingerprints. IPVS, sets and devices
have no fingerprints. There svcc asks the kernel for the objects that are to change, and
:meth:`svcc.apply.session.Session.drift` finds what somebody did to other objects. Where anything is not as it should
be, or where more than services changes, nothing is done here, and the session compares whole states.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from typing import Any

from svcc.apply import engine, planning, whole
from svcc.apply.driver import Driver, Fingerprint, Reading, State, Transition, balances
from svcc.apply.engine import Tell
from svcc.apply.execution_plan import ExecutionPlan, execution_plan
from svcc.apply.fingerprints import recorded_parts
from svcc.apply.generation import ChangeDraft, Draft, Generation
from svcc.apply.installation import Installation
from svcc.apply.machine import DRIVERS, Machine, Readings
from svcc.apply.other_prefixes import OtherPrefixes
from svcc.apply.own_addresses import address_obstacles
from svcc.apply.scope import Scope, scope_of_program
from svcc.apply.services_change import ChangedService, ServicesChange, change_of
from svcc.apply.state_files import StoreError
from svcc.apply.states import Differing, differing_part
from svcc.apply.summary import Summary, summary
from svcc.apply.wanted import Wanted
from svcc.compiler import ir
from svcc.compiler.differing import Services, differing_services
from svcc.compiler.errors import InputError
from svcc.compiler.frontends import frontends
from svcc.targets.capability import check_target
from svcc.targets.interface import Artifact, Bundle, Difference, ServiceNetworks, Target

#: The parts that have fingerprints, and the parts of which the kernel can be asked for single objects.
_FINGERPRINTED = frozenset(driver.part for driver in DRIVERS if driver.has_fingerprint)
_ASKED = frozenset(driver.part for driver in DRIVERS if driver.can_ask)


class _Whole:
    """The generation that is recorded whole, to which the later ones are recorded as changes, and how long these
    are."""

    def __init__(self, installation: Installation, generation: Generation, program: ir.Program) -> None:
        self.generation = generation
        self.program_hash = installation.program_hash(generation)
        self._services = {one.name: one for one in program.services}
        self._last, self._differing = program, dict[str, ir.Service | None]()  # last compared program; how it differs
        self._size, self._written = installation.size(generation), 0  # bytes; characters
        self._known: dict[str, tuple[ir.Service, ChangedService]] = {}  # services of the last change

    @property
    def due(self) -> bool:
        """Whether the changes written so far take as much space as the whole generation. Then it pays to write the
        current one whole."""
        return self._written >= self._size

    def change(self, program: ir.Program, node: ir.Node | None) -> ServicesChange:
        """Return what a program changes in the whole generation's program, as it is recorded."""
        differing = self._compared(program)
        known = {name: one for name, one in self._known.items() if differing.get(name) is one[0]}
        new = [one for name, one in differing.items() if one is not None and name not in known]
        made = change_of(new, program, node)
        self._known = {**known, **{one.name: (one, made[one.name]) for one in new}}
        change = ServicesChange(
            {name: None if one is None else self._known[name][1] for name, one in differing.items()}
        )
        self._written += len(change.text)
        return change

    def _compared(self, program: ir.Program) -> Services:
        """Return the services in which a program differs from the whole generation's. Only services that changed since
        the last compared program are looked at, as the other differences are known."""
        for name, one in differing_services(self._last, program).items():
            if one == self._services.get(name):
                self._differing.pop(name, None)
            else:
                self._differing[name] = one
        self._last = program
        return self._differing


class Upkeep:
    """What a session put into the kernel, kept up to date while services are changed one by one.

    ``installation``: that of the session's prefix. ``generation``: the one in place. ``reviewed``: the program that
    `svcc history` lists. ``served``: the program as it is served.
    """

    def __init__(
        self, installation: Installation, target: Target, now: Wanted, reviewed: ir.Program, patience: float
    ) -> None:
        """``now``: what is in the kernel, with a program and an assembly; ``reviewed``: the program that `svcc history`
        lists; ``patience``: see :mod:`svcc.apply.drain`.

        Errors: StoreError, ValueError.
        """
        assert now.program is not None
        assert now.assembly is not None
        current = installation.current
        if current is None:
            raise StoreError("no program is in place")
        self.generation, self.reviewed, self.served = current, reviewed, now.program
        self.installation, self._target, self._node, self._patience = installation, target, now.node, patience
        self._assembly = now.assembly
        self._served = {one.name: one for one in now.program.services}
        self._whole = _whole(installation, current, now.program)
        self._fingerprinted = _FINGERPRINTED & {artifact.part.name for artifact in now.bundle.artifacts}
        self._asked = _ASKED if balances(target.name) else frozenset()
        self._others = _without(now.bundle, _FINGERPRINTED | self._asked)  # parts that changes of services leave alone
        self._other_prefixes = OtherPrefixes(installation)  # nobody changes them while this upkeep is valid
        self._last: Readings = {}  # the last readings of the kernel
        self._held: Bundle | None = None  # the parts in _asked, where they were made since the last change
        self._scope = scope_of_program(now.program).including(self._others)

    @classmethod
    def of(
        cls,
        installation: Installation,
        target: Target,
        now: Wanted,
        draft: Draft,
        reviewed: ir.Program,
        patience: float,
    ) -> Upkeep | None:
        """Return the upkeep of what ``draft`` put into the kernel; None where services cannot be changed one by one:
        its target has no assembly or no fingerprints, or the record does not fit.

        ``now``: what was put into the kernel.
        """
        shown = any(artifact.part.name in _FINGERPRINTED for artifact in now.bundle.artifacts)
        if now.program is None or now.assembly is None or not shown:
            return None
        try:
            current = installation.current
            if current is None or current.target is None or draft.program is None:
                return None
            kept = installation.program(current)
            if kept is None or kept.text != draft.program.text:
                return None  # the recorded program is another one that has the same rules
            return cls(installation, target, now, reviewed, patience)
        except (StoreError, OSError, ValueError):
            return None

    def follow(self, program: ir.Program, served: ir.Program, source: str, tell: Tell) -> Generation | None:
        """Do what :meth:`svcc.apply.session.Session.follow` does, with the store's lock held. Return None, and do
        nothing, where that is not possible in this way. After an error this object is of no use any more, except after
        an InputError.
        """
        edited = differing_services(self.reviewed, program)
        changed = differing_services(self.served, served)
        if not (self._serves_on(changed, served) and _same_cluster(self.reviewed, program, served)):
            return None
        if self._begins_to_rewrite(changed):
            return None  # what another prefix marks may be in the way
        readings = self._readings()
        if readings is None:
            return None
        _check(self._target, self._node, program, edited)
        _check(self._target, self._node, served, changed)
        if not edited and not changed:
            self.reviewed, self.served = program, served
            return self.generation
        differences = self._live_differences(self._assembly.update(changed))
        if differences is None:
            self._assembly.update({name: self._served.get(name) for name in changed})
            return None
        of = None if edited else self.generation.reviewed
        if edited and differing_services(program, served):
            of = self.installation.record(self._draft(program, source, None)).number
        plan = self._plan(differences, changed, served, readings)
        engine.check(plan, tell, every=False)
        self._held = None
        self.generation = engine.perform(plan, self.installation, self._draft(served, source, of), tell)
        self.reviewed, self.served = program, served
        for name, one in changed.items():
            if one is None:
                del self._served[name]
            else:
                self._served[name] = one
        return self.generation

    @property
    def due(self) -> bool:
        """Whether it pays to write the generation in place whole (:mod:`svcc.apply.whole`)."""
        return self._whole.due and self.generation.base is not None

    def take_over(self, generation: Generation, served: ir.Program, digest: str) -> None:
        """Record a generation whole from now on; its files are written already. The store's lock is held.

        ``served``: the program that it serves; ``digest``: that of its bundle. Errors: OSError, StoreError.
        """
        kept = whole.take_over(self.installation, generation, digest)
        self._whole = _Whole(self.installation, kept, served)
        if kept.number == self.generation.number:
            self.generation = kept

    def _draft(self, program: ir.Program, source: str, of: int | None) -> ChangeDraft:
        kept = self._whole
        change = kept.change(program, self._node)
        named = source if of is None else self.installation.generation(of).source
        scope = Scope(self.generation.prefix, self.generation.device)
        return ChangeDraft(kept.generation, kept.program_hash, change, scope, named, of)

    def _serves_on(self, changed: Services, served: ir.Program) -> bool:
        """Whether any service is still served after a change. A change that leaves none goes the long way, where the
        user has to allow it."""
        if any(one is not None and self._is_served(one) for one in changed.values()):
            return True
        return any(self._is_served(one) for one in served.services if one.name not in changed)

    def _begins_to_rewrite(self, changed: Services) -> bool:
        """Whether a service has ``snat`` that had none."""
        known = self._served
        return any(one and one.snat and not (name in known and known[name].snat) for name, one in changed.items())

    def _is_served(self, service: ir.Service) -> bool:
        return any(True for _ in frontends(replace(self.served, services=(service,)), self._node))

    def _readings(self) -> Readings | None:
        """Return readings that show that the kernel holds what is in place; None where they do not show that.

        Errors: StepError.
        """
        installation = self.installation
        if installation.journal.exists() or installation.confirm.exists():
            return None
        machine = Machine(self._scope)
        fingerprints = recorded_parts(installation, self.generation).fingerprints
        readings: dict[str, Reading[Any]] = {}
        for driver in machine.drivers:
            artifact = self._others.artifact(driver.part)
            if driver.part in self._fingerprinted:
                fingerprint = fingerprints.get(driver.part)
                last = self._last.get(driver.part)
                reading = None if fingerprint is None else driver.follow(self._scope, fingerprint, last)
                if reading is None:
                    return None
                readings[driver.part] = reading
            elif artifact is not None and artifact.text:
                wanted = driver.parse(artifact.text, self._scope)
                if driver.read(self._scope, wanted) != wanted:
                    return None
        self._last = readings
        return readings if all(one.matches(fingerprints[part], self._scope) for part, one in readings.items()) else None

    def _live_differences(self, differences: Mapping[str, Difference]) -> Mapping[str, Difference] | None:
        """Return the differences with live states from the kernel, for the parts that have no fingerprints. Return None
        where the kernel has something else than it should, or where it cannot be asked. Errors: StepError."""
        found = dict(differences)
        for driver in Machine(self._scope).drivers:
            one = differing_part(driver, differences.get(driver.part), None)
            if one is None or driver.part in _FINGERPRINTED:
                continue
            live = one.as_kernel_has_it(self._scope) if driver.part in self._asked else None
            if live is None or (live.have != one.have and not driver.unowned):
                return None
            found[driver.part] = Difference(live.have, one.want)
        return found

    def _plan(
        self, differences: Mapping[str, Difference], changed: Services, served: ir.Program, readings: Readings
    ) -> ExecutionPlan:
        """Return the plan, made from the objects that differ. The whole states are made only when somebody asks for
        them. Errors: StepError."""
        machine, here = Machine(self._scope), Transition(self._target.name, self._target.name)
        generation, assembly = self.generation, self._assembly
        fingerprints = recorded_parts(self.installation, generation).fingerprints
        live = machine.parse_later(lambda: self.installation.bundle(generation), fingerprints)
        wanted = machine.parse_later(assembly.bundle, fingerprints)
        differing = _differing(machine, differences, fingerprints)
        before = self._summary(self.served, [self._served.get(name) for name in changed])
        after = self._summary(served, list(changed.values()))
        plan = execution_plan(
            machine,
            here,
            live,
            wanted,
            differing,
            obstacles=self._obstacles(differences, differing),
            ended=planning.ended_flows(before, after),
            lasting=planning.lasting(after, here, self._other_prefixes),
            networks=after.node_port_networks,
            patience=self._patience,
            readings=readings,
            other_prefixes=self._other_prefixes,
            translates=self._target.translates,
        )
        return replace(
            plan,
            fingerprints=fingerprints,
            asking=True,
            make_whole_machine=lambda: Machine(
                self._scope.including(self.installation.bundle(generation), assembly.bundle())
            ),
        )

    def _summary(self, program: ir.Program, services: list[ir.Service | None]) -> Summary:
        """Return the summary of some services alone."""
        found = tuple(one for one in services if one is not None)
        return summary(replace(program, services=found, balancers=()), self._node)

    def _obstacles(self, differences: Mapping[str, Difference], differing: Differing) -> Iterator[str]:
        """Yield what stands in the way of new addresses and of objects that are to be removed. Errors: StepError."""
        for one in differing:
            yield from one.driver.in_use(one.have, one.want)
        old = self._exclusive({part: one.before for part, one in differences.items()})
        new = self._exclusive({part: one.after for part, one in differences.items()})
        yield from address_obstacles(new - old, ServiceNetworks(), self._scope)

    def _exclusive(self, states: Mapping[str, object]) -> set[ir.Address]:
        parts = (part for part in self._target.parts if part.name in states)
        bundle = Bundle(self._target.name, None, tuple(Artifact(part, "", states[part.name]) for part in parts))
        return {*self._target.exclusive_addresses(bundle)}

    def kernel_is_as_left(self) -> bool:
        """Whether everything under the prefix is as this session left it. Errors: StepError."""
        readings = self._readings()
        if readings is None:
            return False
        known = readings.keys() | {artifact.part.name for artifact in self._others.artifacts if artifact.text}
        held = self._held_now()
        machine = Machine(self._scope.including(held))
        states = machine.parse(held)
        return all(
            driver.part in known or _holds(driver, states.of(driver), machine.scope) for driver in machine.drivers
        )

    def _held_now(self) -> Bundle:
        """Return the parts of which the kernel can be asked for single objects, as they should be."""
        if self._held is None:
            bundle = self._assembly.bundle() if self._asked else self._others
            self._held = replace(bundle, artifacts=tuple(a for a in bundle.artifacts if a.part.name in self._asked))
        return self._held


def _without(bundle: Bundle, parts: Collection[str]) -> Bundle:
    return replace(bundle, artifacts=tuple(one for one in bundle.artifacts if one.part.name not in parts))


def _differing(
    machine: Machine, differences: Mapping[str, Difference], fingerprints: Mapping[str, Fingerprint]
) -> Differing:
    """Return the parts that differ. Each state has what its fingerprint says of the live one (Driver.live_only)."""
    found = (
        differing_part(driver, differences.get(driver.part), fingerprints.get(driver.part))
        for driver in machine.drivers
    )
    return [one for one in found if one is not None and one.have != one.want]


def _holds(driver: Driver[State], wanted: State, scope: Scope) -> bool:
    """Whether the kernel holds a state. Errors: StepError."""
    return bool(driver.read(scope, wanted) == wanted)


def _whole(installation: Installation, current: Generation, program: ir.Program) -> _Whole:
    """Return the generation that is recorded whole: the current one, or the one that it is a change to.

    Errors: StoreError, ValueError.
    """
    if current.base is None:
        return _Whole(installation, current, program)
    base = installation.generation(current.base)
    kept = installation.program(base)
    if kept is None:
        raise StoreError(f"the program of generation {base.number} cannot be read")
    return _Whole(installation, base, kept.program())


def _same_cluster(*programs: ir.Program) -> bool:
    """Whether programs differ in their services alone."""
    first = programs[0]
    return all(
        (one.cluster, one.nodes, one.balancers) == (first.cluster, first.nodes, first.balancers) for one in programs
    )


def _check(target: Target, node: ir.Node | None, program: ir.Program, changed: Services) -> None:
    """Check that the target can express the changed services. Errors: InputError."""
    services = tuple(one for one in changed.values() if one is not None)
    if refused := check_target(replace(program, services=services), target, node):
        raise InputError(refused)
