"""Find the services that an apply takes away, so that the user can be asked whether that is meant."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from svcc.apply.errors import Refused
from svcc.apply.execution_plan import ExecutionPlan
from svcc.apply.generation import Draft
from svcc.apply.states import States
from svcc.apply.summary import Summary
from svcc.kernel.routes import Frontends, Routes


@dataclass(frozen=True, slots=True)
class Losses:
    """The services that an apply would take away."""

    services: tuple[str, ...]  # their names, sorted; where these are not known, frontends as text
    everything: bool  # whether nothing at all would be served any more
    named: bool = True  # whether the names of services are known


def nothing_left(served: int) -> Refused:
    """Return the error where no service would be left. ``served``: how many there are now."""
    return Refused([f"no service would be left; served now: {served}"])


def losses(plan: ExecutionPlan, in_place: Callable[[], Summary], draft: Draft) -> Losses:
    """Return the services that clients would lose if a draft were applied. ``in_place``: returns the summary of the
    generation in place.

    The services of a bundle that was compiled before are not known: its frontends that have endpoints count instead.
    """
    if plan.changed is not None and not plan.changed.loses:
        return Losses((), everything=False)
    before, remaining = in_place(), staying(plan, draft)
    if before.frontends:
        kept = {one.service for one in before.frontends if one.reached_at in remaining}
        kept |= {one.service for one in draft.summary.frontends}
        gone = {one.service for one in before.frontends} - kept
    else:
        gone = {*(_frontends(plan, plan.live) - remaining).texts()}
    return Losses(tuple(sorted(gone)), bool(gone) and not _serves(plan, draft), named=bool(before.frontends))


def staying(plan: ExecutionPlan, draft: Draft) -> Frontends:
    """Return the frontends that are served when the draft is applied."""
    if draft.bundle is None or draft.summary.frontends:
        return draft.summary.reached
    return _frontends(plan, plan.wanted)


def _frontends(plan: ExecutionPlan, states: States) -> Frontends:
    return Routes.of(plan.machine.routes(states)).frontends


def _serves(plan: ExecutionPlan, draft: Draft) -> bool:
    """Whether the draft serves anything, if only by refusing connections to a service without endpoints."""
    if draft.bundle is None:
        return False
    if draft.summary.frontends or _frontends(plan, plan.wanted):
        return True
    return any(
        change.frontend or change.label
        for driver in plan.machine.drivers
        for change in driver.changes(driver.parse("", plan.machine.scope), plan.wanted.of(driver))
    )
