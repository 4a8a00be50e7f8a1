"""Which services an apply takes away: for the question whether that was meant."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from svcc.apply.execution_plan import ExecutionPlan
from svcc.apply.generation import Draft
from svcc.apply.states import States
from svcc.apply.summary import Summary
from svcc.kernel.steps import FrontendAddress


@dataclass(frozen=True, slots=True)
class Losses:
    """``services``: those that are served and would not be any more, sorted; what no program is known of, by its
    frontends. ``everything``: nothing at all would be served any more.
    """

    services: tuple[str, ...]
    everything: bool


def losses(plan: ExecutionPlan, there: Callable[[], Summary], draft: Draft) -> Losses:
    """What a draft takes from the clients of what is there. ``there``: gives the summary of the generation in place.

    The services of a compiled bundle are not known: then its frontends that have endpoints count.
    """
    if plan.changed is not None and not plan.changed.loses:
        return Losses((), everything=False)
    before, stays = there(), _stays(plan, draft)
    if before.frontends:
        kept = {one.service for one in before.frontends if stays(one.reached_at)}
        kept |= {one.service for one in draft.summary.frontends}
        gone = {one.service for one in before.frontends} - kept
    else:
        gone = {str(frontend) for frontend in _frontends(plan, plan.live) if not stays(frontend)}
    return Losses(tuple(sorted(gone)), bool(gone) and not _serves(plan, draft))


def _stays(plan: ExecutionPlan, draft: Draft) -> Callable[[FrontendAddress], bool]:
    if draft.bundle is None or draft.summary.frontends:
        return lambda frontend: draft.summary.frontend(frontend) is not None
    return _frontends(plan, plan.wanted).__contains__


def _frontends(plan: ExecutionPlan, states: States) -> set[FrontendAddress]:
    return {route.frontend for driver in plan.machine.drivers for route in driver.routes(states.of(driver))}


def _serves(plan: ExecutionPlan, draft: Draft) -> bool:
    """Whether anything is to be served, if only by a refusal."""
    if draft.bundle is None:
        return False
    if draft.summary.frontends or _frontends(plan, plan.wanted):
        return True
    return any(
        change.frontend or change.label
        for driver in plan.machine.drivers
        for change in driver.changes(driver.parse("", plan.machine.scope), plan.wanted.of(driver))
    )
