"""Changes of single services by a session, without comparing whole states.

Such a change costs what the changed services cost: their contributions, the objects that differ, and a generation that
is recorded as a change to an earlier one. It needs a machine that is known to hold what it should: nobody else took the
store's lock since, and the rules still match their fingerprints. IPVS, sets and devices have no fingerprints: svcc asks
the kernel for the objects that are to change, and :meth:`svcc.apply.session.Session.drift` finds what somebody did to
others. Where anything is not as it should be, or more than services changes, nothing is done here, and the session
compares whole states.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from typing import Any

from svcc.apply import engine, planning, whole
from svcc.apply.driver import Driver, Fingerprint, Reading, State, Transition, balances
from svcc.apply.engine import Tell
from svcc.apply.execution_plan import ExecutionPlan, execution_plan
from svcc.apply.fingerprints import fingerprints_of
from svcc.apply.generation import ChangeDraft, Draft, Generation
from svcc.apply.installation import Installation
from svcc.apply.machine import DRIVERS, Machine, Readings
from svcc.apply.own_addresses import taken
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

#: Parts that can be recognised without being parsed, and parts of which the kernel can be asked for single objects.
_FINGERPRINTED = frozenset(driver.part for driver in DRIVERS if driver.has_fingerprint)
_ASKED = frozenset(driver.part for driver in DRIVERS if driver.can_ask)


class _Whole:
    """The generation in place that is kept whole, and what was written of changes to it."""

    def __init__(self, installation: Installation, generation: Generation, program: ir.Program) -> None:
        self.generation = generation
        self.program_hash = installation.program_hash(generation)
        self._services = {one.name: one for one in program.services}
        self._last, self._differing = program, dict[str, ir.Service | None]()  # what it is compared with
        self._size, self._written = installation.size(generation), 0
        self._known: dict[str, tuple[ir.Service, ChangedService]] = {}

    @property
    def due(self) -> bool:
        """Whether the changes take as much space as all of it: then it is worth writing it whole."""
        return self._written >= self._size

    def change(self, program: ir.Program, node: ir.Node | None) -> ServicesChange:
        """A program as a change to this one."""
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
        """The services in which it differs from this one: of what it was asked of last, those are known already."""
        for name, one in differing_services(self._last, program).items():
            if one == self._services.get(name):
                self._differing.pop(name, None)
            else:
                self._differing[name] = one
        self._last = program
        return self._differing


class Upkeep:
    """``stamp``: the store's since the session took its lock, for as long as nobody else did."""

    def __init__(
        self, installation: Installation, target: Target, now: Wanted, reviewed: ir.Program, patience: float
    ) -> None:
        """``now``: what is in place, with a program and an assembly; ``patience``: see :mod:`svcc.apply.drain`.

        Errors: StoreError, ValueError.
        """
        assert now.program is not None
        assert now.assembly is not None
        current = installation.current
        if current is None:
            raise StoreError("nothing is in place")
        self.stamp = ""
        self.generation, self.reviewed, self.served = current, reviewed, now.program
        self._installation, self._target, self._node, self._patience = installation, target, now.node, patience
        self._assembly = now.assembly
        self._served = {one.name: one for one in now.program.services}
        self._whole = _whole(installation, current, now.program)
        self._fingerprinted = _FINGERPRINTED & {artifact.part.name for artifact in now.bundle.artifacts}
        self._asked = _ASKED if balances(target.name) else frozenset()
        self._others = _without(now.bundle, _FINGERPRINTED | self._asked)  # these stay as they are
        self._last: Readings = {}  # what was read of the kernel
        self._held: Bundle | None = None  # the parts that are asked for, where they were made since the last change
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
        """``now``: what was put in place by a draft. None: it cannot be kept up so."""
        shown = any(artifact.part.name in _FINGERPRINTED for artifact in now.bundle.artifacts)
        if now.program is None or now.assembly is None or not shown:
            return None
        try:
            current = installation.current
            if current is None or current.target is None or draft.program is None:
                return None
            kept = installation.program(current)
            if kept is None or kept.text != draft.program.text:
                return None  # it is another program's, which has the same rules
            return cls(installation, target, now, reviewed, patience)
        except (StoreError, OSError, ValueError):
            return None

    def follow(self, program: ir.Program, served: ir.Program, source: str, tell: Tell) -> Generation | None:
        """As :meth:`svcc.apply.session.Session.follow`, the store's lock being held. None: not in this way; nothing was
        done. After an error this object is of no use any more.
        """
        edited = differing_services(self.reviewed, program)
        changed = differing_services(self.served, served)
        if not (self._serves_on(changed, served) and _same_cluster(self.reviewed, program, served)):
            return None
        readings = self._readings()
        if readings is None:
            return None
        _check(self._target, self._node, program, edited)
        _check(self._target, self._node, served, changed)
        if not edited and not changed:
            self.reviewed, self.served = program, served
            return self.generation
        differences = self._seen(self._assembly.update(changed))
        if differences is None:
            self._assembly.update({name: self._served.get(name) for name in changed})
            return None
        of = None if edited else self.generation.reviewed
        if edited and differing_services(program, served):
            of = self._installation.record(self._draft(program, source, None)).number
        plan = self._plan(differences, changed, served, readings)
        engine.check(plan, tell, every=False)
        self._held = None
        self.generation = engine.perform(plan, self._installation, self._draft(served, source, of), tell)
        self.reviewed, self.served = program, served
        for name, one in changed.items():
            if one is None:
                del self._served[name]
            else:
                self._served[name] = one
        return self.generation

    @property
    def due(self) -> bool:
        """Whether it is worth writing the generation in place whole (:mod:`svcc.apply.whole`)."""
        return self._whole.due and self.generation.base is not None

    def take_over(self, generation: Generation, served: ir.Program, digest: str) -> None:
        """Keep a generation whole from now on, its files being written. ``served``: what it serves. The store's lock is
        held. Errors: OSError, StoreError."""
        kept = whole.take_over(self._installation, generation, digest)
        self._whole = _Whole(self._installation, kept, served)
        if kept.number == self.generation.number:
            self.generation = kept

    def _draft(self, program: ir.Program, source: str, of: int | None) -> ChangeDraft:
        kept = self._whole
        change = kept.change(program, self._node)
        named = source if of is None else self._installation.generation(of).source
        scope = Scope(self.generation.prefix, self.generation.device)
        return ChangeDraft(kept.generation, kept.program_hash, change, scope, named, of)

    def _serves_on(self, changed: Services, served: ir.Program) -> bool:
        """Whether anything is served still; that nothing is has to be meant."""
        if any(one is not None and self._is_served(one) for one in changed.values()):
            return True
        return any(self._is_served(one) for one in served.services if one.name not in changed)

    def _is_served(self, service: ir.Service) -> bool:
        return any(True for _ in frontends(replace(self.served, services=(service,)), self._node))

    def _readings(self) -> Readings | None:
        """Readings that show what is in place. None: the kernel does not say so."""
        installation = self._installation
        if installation.journal.exists() or installation.confirm.exists():
            return None
        machine = Machine(self._scope)
        fingerprints = fingerprints_of(installation, self.generation)
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

    def _seen(self, differences: Mapping[str, Difference]) -> Mapping[str, Difference] | None:
        """Differences from what the kernel has, where it is to be asked for that. None: it has something else than it
        should, or it cannot be asked. Errors: StepError."""
        found = dict(differences)
        for driver in Machine(self._scope).drivers:
            one = differing_part(driver, differences.get(driver.part), None)
            if one is None or driver.part in _FINGERPRINTED:
                continue
            there = one.asked(self._scope) if driver.part in self._asked else None
            if there is None or (there.have != one.have and not driver.unowned):
                return None
            found[driver.part] = Difference(there.have, one.want)
        return found

    def _plan(
        self, differences: Mapping[str, Difference], changed: Services, served: ir.Program, readings: Readings
    ) -> ExecutionPlan:
        """What is to be done, made of what differs alone; all else is made when somebody asks for it."""
        machine, here = Machine(self._scope), Transition(self._target.name, self._target.name)
        generation, assembly = self.generation, self._assembly
        fingerprints = fingerprints_of(self._installation, generation)
        live = machine.parse_later(lambda: self._installation.bundle(generation), fingerprints)
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
            ended=planning.finished(before, after),
            lasts=planning.lasts(after, here),
            networks=after.node_port_networks,
            patience=self._patience,
            readings=readings,
            translates=self._target.translates,
        )
        return replace(
            plan,
            fingerprints=fingerprints,
            asking=True,
            whole=lambda: Machine(self._scope.including(self._installation.bundle(generation), assembly.bundle())),
        )

    def _summary(self, program: ir.Program, services: list[ir.Service | None]) -> Summary:
        """The summary of some services alone."""
        found = tuple(one for one in services if one is not None)
        return summary(replace(program, services=found, balancers=()), self._node)

    def _obstacles(self, differences: Mapping[str, Difference], differing: Differing) -> Iterator[str]:
        """What stands in the way of addresses that come, and of objects that go. Errors: StepError."""
        for one in differing:
            yield from one.driver.in_use(one.have, one.want)
        old = self._exclusive({part: one.before for part, one in differences.items()})
        new = self._exclusive({part: one.after for part, one in differences.items()})
        yield from taken(new - old, ServiceNetworks(), self._scope)

    def _exclusive(self, states: Mapping[str, object]) -> set[ir.Address]:
        parts = (part for part in self._target.parts if part.name in states)
        bundle = Bundle(self._target.name, None, tuple(Artifact(part, "", states[part.name]) for part in parts))
        return {*self._target.exclusive_addresses(bundle)}

    def as_left(self) -> bool:
        """Whether everything under the prefix is as it was put in place. Errors: StepError."""
        readings = self._readings()
        if readings is None:
            return False
        known = readings.keys() | {artifact.part.name for artifact in self._others.artifacts if artifact.text}
        held = self._held_now()
        machine = Machine(self._scope.including(held))
        states = machine.parse(held)
        return all(
            driver.part in known or _is_as(driver, states.of(driver), machine.scope) for driver in machine.drivers
        )

    def _held_now(self) -> Bundle:
        """The parts that are asked for, as they should be."""
        if self._held is None:
            bundle = self._assembly.bundle() if self._asked else self._others
            self._held = replace(bundle, artifacts=tuple(a for a in bundle.artifacts if a.part.name in self._asked))
        return self._held


def _without(bundle: Bundle, parts: Collection[str]) -> Bundle:
    return replace(bundle, artifacts=tuple(one for one in bundle.artifacts if one.part.name not in parts))


def _differing(
    machine: Machine, differences: Mapping[str, Difference], fingerprints: Mapping[str, Fingerprint]
) -> Differing:
    """What differs, each state with what is known of it besides what its target says."""
    found = (
        differing_part(driver, differences.get(driver.part), fingerprints.get(driver.part))
        for driver in machine.drivers
    )
    return [one for one in found if one is not None and one.have != one.want]


def _is_as(driver: Driver[State], wanted: State, scope: Scope) -> bool:
    """Whether the kernel holds a state."""
    return bool(driver.read(scope, wanted) == wanted)


def _whole(installation: Installation, current: Generation, program: ir.Program) -> _Whole:
    """Errors: StoreError, ValueError."""
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
    """Errors: InputError: something that the target cannot express."""
    services = tuple(one for one in changed.values() if one is not None)
    if refused := check_target(replace(program, services=services), target, node):
        raise InputError(refused)
