"""Which services an apply takes away: for the question whether that was meant."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from svcc.apply.generation import Draft
from svcc.apply.planning import Plan
from svcc.apply.states import States
from svcc.apply.summary import Summary
from svcc.kernel.steps import Place


@dataclass(frozen=True, slots=True)
class Losses:
    """``services``: those that are served and would not be any more, sorted; what no program is known of, by its
    frontends. ``everything``: nothing at all would be served any more.
    """

    services: tuple[str, ...]
    everything: bool


def losses(plan: Plan, there: Callable[[], Summary], draft: Draft) -> Losses:
    """What a draft takes from the clients of what is there. ``there``: gives the summary of the generation in place.

    The services of a compiled bundle are not known: then its frontends that have endpoints count.
    """
    if plan.changed is not None and not plan.changed.loses:
        return Losses((), everything=False)
    before, stays = there(), _stays(plan, draft)
    if before.listeners:
        kept = {one.service for one in before.listeners if stays(one.place)}
        kept |= {one.service for one in draft.summary.listeners}
        gone = {one.service for one in before.listeners} - kept
    else:
        gone = {str(place) for place in _places(plan, plan.live) if not stays(place)}
    return Losses(tuple(sorted(gone)), bool(gone) and not _serves(plan, draft))


def _stays(plan: Plan, draft: Draft) -> Callable[[Place], bool]:
    if draft.bundle is None or draft.summary.listeners:
        return lambda place: draft.summary.listener(place) is not None
    return _places(plan, plan.wanted).__contains__


def _places(plan: Plan, states: States) -> set[Place]:
    return {route.place for driver in plan.machine.drivers for route in driver.routes(states.of(driver))}


def _serves(plan: Plan, draft: Draft) -> bool:
    """Whether anything is to be served, if only by a refusal."""
    if draft.bundle is None:
        return False
    if draft.summary.listeners or _places(plan, plan.wanted):
        return True
    return any(
        change.place or change.label
        for driver in plan.machine.drivers
        for change in driver.changes(driver.parse("", plan.machine.scope), plan.wanted.of(driver))
    )
