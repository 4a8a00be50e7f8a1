"""Plan a change from the services that differ, where the kernel's rules are as the generation in place left them.

What a service adds to the rules depends on this service alone (:class:`svcc.targets.interface.Contribution`). So where
the programs before and after differ in some services, svcc renders and compares only these. It does not read or compile
the earlier bundle again, and does not look at the rules of other services. Where anything else than rules is to change,
or anything is in doubt, there is no such plan, and svcc compares the whole states.
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

#: A draft is recorded as a change where the change's text is at most this share of the text of the whole program.
_SHARE = 1 / 16
#: A program of fewer characters than this, about a thousand services of ten endpoints, is recorded whole: that takes
#: 0.02 s.
_LARGE = 1 << 20


@dataclass(frozen=True)
class ChangedServices:
    """The services in which a draft differs from the generation in place, and their rules."""

    generation: int  # the number of the generation in place
    before: Mapping[str, ir.Service]  # the generation's services, by name
    after: Mapping[str, ir.Service]  # the draft's services, by name
    program: ir.Program  # what both programs have in common beside services
    node: ir.Node | None
    differing: Differing = ()  # the parts of rules that differ; rules that both states have may be missing from both

    @property
    def names(self) -> set[str]:
        """The names of the services that differ."""
        return {*self.before, *self.after}

    @cached_property
    def summaries(self) -> tuple[Summary, Summary]:
        """What these services serve before the change, and what they serve after it."""
        return self._summary(self.before), self._summary(self.after)

    def _summary(self, services: Mapping[str, ir.Service]) -> Summary:
        return summary(replace(self.program, services=tuple(services.values())), self.node)

    @property
    def loses(self) -> bool:
        """Whether some service is served before the change and not after it."""
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
    """Return the services that a draft changes, and their rules. Rules that the states before and after have in common
    may be missing from both (:class:`svcc.targets.interface.Difference`).

    ``before``: the generation in place; ``known``: the machine with this generation's names; ``readings``: the
    readings of this machine; ``fingerprints``: those recorded with this generation. Return None where the whole states
    have to be compared. Errors: StepError.
    """
    if draft.bundle is None or not _is_of_rules(before, draft):
        return None
    unchanged = _unchanged_rules(known, readings, fingerprints, draft.bundle)
    if unchanged is None:
        return None
    changed = _changed_services(installation, before, draft)
    if changed is None or draft.assembly is None:
        return None
    differences = _differences(draft.assembly, changed)
    found = (
        differing_part(one, differences.get(one.part), fingerprints[one.part])
        for one in known.drivers
        if one.part in unchanged
    )
    differing = [one for one in found if one is not None and one.have != one.want]
    others = (difference for part, difference in differences.items() if part not in unchanged)
    return None if any(one.before != one.after for one in others) else replace(changed, differing=differing)


def _is_of_rules(before: Generation, draft: Draft) -> bool:
    """Whether both have the same target, one whose rules translate addresses, and the same node and names."""
    target = find(before.target) if before.target else None
    return (
        target is not None
        and target.translates
        and (before.target, before.node, before.prefix) == (draft.target, draft.node, draft.scope.prefix)
        and before.device == draft.scope.device
    )


def _unchanged_rules(
    known: Machine, readings: Readings, fingerprints: Mapping[str, Fingerprint], wanted: Bundle
) -> set[str] | None:
    """Return the parts of rules that match their fingerprints.

    Return None where wanted rules do not match theirs, or where any other part is not as wanted.
    """
    unchanged: set[str] = set()
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
            unchanged.add(driver.part)
        elif (driver.has_fingerprint and wanted.parts.get(driver.part)) or not _holds(driver, reading, states, scope):
            return None
    return unchanged


def _holds(driver: Driver[State], reading: Reading[State] | None, wanted: States, scope: Scope) -> bool:
    """Whether the kernel holds the wanted state of a driver's part, and nothing foreign. ``reading``: None where none
    was begun."""
    want = wanted.of(driver)
    have = driver.read(scope, want) if reading is None else reading.state(scope, want)
    return bool(have == want) and not any(driver.foreign(driver.live_only(have)))


def _changed_services(installation: Installation, before: Generation, draft: Draft) -> ChangedServices | None:
    """Return the services that differ.

    Return None where more than services differs, or where it is not known what the rules were compiled from.
    """
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
    """Return the states of the parts before and after, by part, as the services that differ change them."""
    names = changed.names
    if not names:
        return {}
    assembly.update({name: changed.before.get(name) for name in names})
    return assembly.update({name: changed.after.get(name) for name in names})


def to_record(installation: Installation, changed: ChangedServices | None, draft: Draft) -> Draft | ChangeDraft:
    """Return a draft as it is to be recorded: as a change to a generation that is recorded whole, where the change is
    small; else as it is.

    ``changed``: the services that the draft changes in the generation in place; None where they are not known. The
    caller holds the store's lock.
    """
    before = installation.current
    if changed is None or before is None or changed.generation != before.number or draft.of is not None:
        return draft
    try:
        change, whole = installation.as_change(before)
        kept = installation.program(whole)
        if (
            kept is None
            or len(kept.text) < _LARGE
            or before.number - whole.number >= KEPT
            or not installation.is_as_written(before)
        ):
            return draft
        change = _combined(change, changed, kept)
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


def _combined(change: ServicesChange, changed: ChangedServices, kept: KeptProgram) -> ServicesChange:
    """Return the change to a program that two changes make, one after the other.

    ``kept``: the program before both. Errors: ValueError where it is damaged.
    """
    after = change_of(changed.after.values(), changed.program, changed.node)
    services = {**change.services, **{name: after.get(name) for name in changed.names}}
    lines = {name: None if one is None else one.line for name, one in services.items()}
    return ServicesChange({name: services[name] for name, line in lines.items() if line != kept.line(name)})
