"""A plan made of the services that differ, where the kernel's rules are as the generation in place left them.

What a service adds depends on it alone (:class:`svcc.targets.interface.Contribution`). So where the programs before
and after differ in some services, these alone are printed and compared: neither is the bundle before read or compiled
again, nor do the rules of all other services matter. Where anything else than rules is to change, or anything is in
doubt, there is no such plan, and the whole states are compared.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

from svcc.apply.driver import Driver, Fingerprint, Reading, State
from svcc.apply.generation import ChangeDraft, Draft, Generation
from svcc.apply.installation import KEPT, Installation
from svcc.apply.machine import Machine, Readings
from svcc.apply.program_text import KeptProgram
from svcc.apply.scope import Scope
from svcc.apply.services_change import ServicesChange, change_of
from svcc.apply.state_files import StoreError
from svcc.apply.states import Differing, States, differing_part
from svcc.apply.summary import Summary, summary
from svcc.compiler import ir
from svcc.targets import find
from svcc.targets.interface import Assembly, Bundle, Difference

#: A draft is kept as a change where that takes at most this part of the program that it is a change to, and where the
#: program has some bytes, about a thousand services of ten endpoints: what is smaller is written whole in 0.02 s.
_SHARE = 1 / 16
_LARGE = 1 << 20


@dataclass(frozen=True)
class ChangedServices:
    """The services in which a draft differs from the generation in place, and what is made of them."""

    there: int  # the number of the generation
    before: Mapping[str, ir.Service]  # by name; those of the generation
    after: Mapping[str, ir.Service]  # those of the draft
    program: ir.Program  # what both have beside services
    node: ir.Node | None
    differing: Differing = ()  # the rules that are other, each state without what both have

    @property
    def names(self) -> set[str]:
        """The names of the services."""
        return {*self.before, *self.after}

    @cached_property
    def summaries(self) -> tuple[Summary, Summary]:
        """What these services serve, before and after."""
        return self._summary(self.before), self._summary(self.after)

    def _summary(self, services: Mapping[str, ir.Service]) -> Summary:
        return summary(replace(self.program, services=tuple(services.values())), self.node)

    @property
    def loses(self) -> bool:
        """Whether a service is served before, and not after."""
        before, after = ({one.service for one in side.frontends} for side in self.summaries)
        return not before <= after


def differing_rules(
    installation: Installation,
    before: Generation,
    draft: Draft,
    known: Machine,
    readings: Readings,
    fingerprints: Mapping[str, Fingerprint],
) -> ChangedServices | None:
    """The services that a draft changes, and their rules, each state without what both have
    (:class:`svcc.targets.interface.Difference`).

    ``before``: the generation in place; ``known``: the machine by its names; ``readings``: its readings;
    ``fingerprints``: those recorded with that generation. None: whole states are to be compared. Errors: StepError.
    """
    if draft.bundle is None or not _is_of_rules(before, draft):
        return None
    there = _there(known, readings, fingerprints, draft.bundle)
    if there is None:
        return None
    changed = _changed(installation, before, draft)
    if changed is None or draft.assembly is None:
        return None
    differences = _differences(draft.assembly, changed)
    found = (
        differing_part(one, differences.get(one.part), fingerprints[one.part])
        for one in known.drivers
        if one.part in there
    )
    differing = [one for one in found if one is not None and one.have != one.want]
    others = (difference for part, difference in differences.items() if part not in there)
    return None if any(one.before != one.after for one in others) else replace(changed, differing=differing)


def _is_of_rules(before: Generation, draft: Draft) -> bool:
    """Whether both are of one target, whose rules translate, and go by the same names."""
    target = find(before.target) if before.target else None
    return (
        target is not None
        and target.translates
        and (before.target, before.node, before.prefix) == (draft.target, draft.node, draft.scope.prefix)
        and before.device == draft.scope.device
    )


def _there(
    known: Machine, readings: Readings, fingerprints: Mapping[str, Fingerprint], wanted: Bundle
) -> set[str] | None:
    """The parts of rules that match their fingerprints. None: one does not, or another part is not as wanted."""
    there: set[str] = set()
    scope = known.scope.including(wanted)
    states = known.parse(wanted)
    for driver in known.drivers:
        fingerprint, reading = fingerprints.get(driver.part), readings.get(driver.part)
        if (
            driver.has_fingerprint
            and fingerprint is not None
            and reading is not None
            and reading.matches(fingerprint, known.scope)
        ):
            there.add(driver.part)
        elif (driver.has_fingerprint and wanted.parts.get(driver.part)) or not _is_as(driver, reading, states, scope):
            return None
    return there


def _is_as(driver: Driver[State], reading: Reading[State] | None, wanted: States, scope: Scope) -> bool:
    state = wanted.of(driver)
    found = driver.read(scope, state) if reading is None else reading.state(scope, state)
    return bool(found == state)


def _changed(installation: Installation, before: Generation, draft: Draft) -> ChangedServices | None:
    """The services that differ. None: more differs, or it is not known what the rules were made of."""
    if draft.assembly is None or draft.program is None:
        return None
    try:
        kept = installation.compiled(before)
        services = None if kept is None else kept.differing_services(draft.program)
    except ValueError:  # the record is damaged
        return None
    if services is None:
        return None
    program = replace(draft.program.program(), services=(), balancers=())
    return ChangedServices(before.number, *services, program, None if draft.node is None else program.node(draft.node))


def _differences(assembly: Assembly, changed: ChangedServices) -> Mapping[str, Difference]:
    """What the services that differ make of the parts."""
    names = changed.names
    if not names:
        return {}
    assembly.update({name: changed.before.get(name) for name in names})
    return assembly.update({name: changed.after.get(name) for name in names})


def to_record(installation: Installation, changed: ChangedServices | None, draft: Draft) -> Draft | ChangeDraft:
    """A draft as it is recorded: as a change to a generation that is kept whole, where little of that one changes.

    ``changed``: what it changes of the generation in place; None: not known by service. The store's lock is held.
    """
    before = installation.current
    if changed is None or before is None or changed.there != before.number or draft.of is not None:
        return draft
    try:
        change, whole = installation.kept_as(before)
        kept = installation.program(whole)
        if (
            kept is None
            or len(kept.text) < _LARGE
            or before.number - whole.number >= KEPT
            or not installation.is_as_written(before)
        ):
            return draft
        change = _together(change, changed, kept)
        if len(change.text) > len(kept.text) * _SHARE:
            return draft
    except (StoreError, ValueError):  # the record is damaged
        return draft
    return ChangeDraft(
        whole,
        kept.hash,
        change,
        draft.scope,
        draft.source,
        note=draft.note,
        undoes=draft.undoes,
        origin=draft.origin,
    )


def _together(change: ServicesChange, changed: ChangedServices, kept: KeptProgram) -> ServicesChange:
    """What two changes, one after the other, make of a program. Errors: ValueError, where that is damaged."""
    made = change_of(changed.after.values(), changed.program, changed.node)
    services = {**change.services, **{name: made.get(name) for name in changed.names}}
    lines = {name: None if one is None else one.line for name, one in services.items()}
    return ServicesChange({name: services[name] for name, line in lines.items() if line != kept.line(name)})
