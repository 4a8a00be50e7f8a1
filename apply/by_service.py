"""A plan made of the services that differ, where the kernel's rules are as the generation in place left them.

What a service adds depends on it alone (:class:`svcc.targets.interface.Contribution`). So where the programs before
and after differ in some services, these alone are printed and compared: neither is the bundle before read or compiled
again, nor do the rules of all other services matter. Where anything else than rules is to change, or anything is in
doubt, there is no such plan, and the whole states are compared.
"""

from __future__ import annotations

from collections.abc import Mapping

from svcc.apply.driver import Driver, Fingerprint, Reading, State
from svcc.apply.generation import Draft, Generation
from svcc.apply.installation import Installation
from svcc.apply.machine import Machine, Readings
from svcc.apply.scope import Scope
from svcc.apply.states import Differing, DifferingPart, States
from svcc.targets import find
from svcc.targets.interface import Bundle, Difference


def differing_rules(
    installation: Installation,
    before: Generation,
    draft: Draft,
    known: Machine,
    readings: Readings,
    fingerprints: Mapping[str, Fingerprint],
) -> Differing | None:
    """The rules that a draft changes, each state without what both have (:class:`svcc.targets.interface.Difference`).

    ``before``: the generation in place; ``known``: the machine by its names; ``readings``: its readings;
    ``fingerprints``: those recorded with that generation. None: whole states are to be compared. Errors: StepError.
    """
    if draft.bundle is None or not _is_of_rules(before, draft):
        return None
    there = _there(known, readings, fingerprints, draft.bundle)
    if there is None:
        return None
    differences = _differences(installation, before, draft)
    if differences is None:
        return None
    found = (
        _differing_part(one, differences.get(one.part), fingerprints[one.part])
        for one in known.drivers
        if one.part in there
    )
    differing = [one for one in found if one is not None and one.have != one.want]
    others = (difference for part, difference in differences.items() if part not in there)
    return None if any(one.before != one.after for one in others) else differing


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


def _differences(installation: Installation, before: Generation, draft: Draft) -> Mapping[str, Difference] | None:
    """What the services that differ make of the parts. None: more differs, or it is not known what the rules were."""
    if draft.assembly is None or draft.program is None:
        return None
    try:
        kept = installation.compiled(before)
        services = None if kept is None else kept.differing_services(draft.program)
    except ValueError:  # the record is damaged
        return None
    if services is None:
        return None
    old, new = services
    if not old and not new:
        return {}
    names = {*old, *new}
    draft.assembly.update({name: old.get(name) for name in names})
    return draft.assembly.update({name: new.get(name) for name in names})


def _differing_part(
    driver: Driver[State], difference: Difference | None, fingerprint: Fingerprint
) -> DifferingPart[State] | None:
    if difference is None:
        return None
    have, want = driver.made(difference.before), driver.made(difference.after)
    assert have is not None
    assert want is not None
    return DifferingPart(driver, driver.with_live_only(have, fingerprint.live_only), want)
