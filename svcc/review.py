"""A plan as people review it: what FILE changes of the services, and what was changed by hand before."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cache, partial

from svcc.apply.drift import drift
from svcc.apply.execution_plan import ExecutionPlan
from svcc.apply.generation import Draft
from svcc.apply.installation import Installation
from svcc.apply.losses import staying
from svcc.apply.served import (
    Compared,
    Detail,
    compare_sides,
    draft_side,
    generation_side,
    says_otherwise,
    unrecorded,
)
from svcc.apply.state_files import StoreError
from svcc.apply.summary import Summary
from svcc.compiler.comparison import Comparison, TakenAway
from svcc.kernel.steps import Change

_SAME = Compared(Comparison(), Detail.PROGRAM)


@dataclass(frozen=True)
class Review:
    """A plan, and what it means for services.

    ``read_before``: reads :attr:`before`. ``after``: the services of the draft. ``drift``: see
    :func:`svcc.apply.drift.drift`.
    """

    plan: ExecutionPlan
    generation: int | None
    read_before: Callable[[], Summary]
    after: Summary
    compared: Compared
    drift: Sequence[Change]
    ahead: bool = False  # whether the kernel holds what the draft says, though the record says something else

    @property
    def before(self) -> Summary:
        """The services in place, as recorded. They are read at the first use: an empty plan does not need them.
        Errors: StoreError."""
        return self.read_before()

    @property
    def empty(self) -> bool:
        """Whether an apply would change nothing: neither the kernel nor the record of services."""
        return self.plan.empty and self.compared.comparison.empty


def review(plan: ExecutionPlan, installation: Installation, draft: Draft) -> Review:
    """Return the review of a plan. Where the bundle in place is damaged, nothing is compared with it. Errors:
    StoreError."""
    current = installation.current
    before = cache(partial(installation.summary, current))
    if plan.empty and not (current and says_otherwise(installation, current, draft)):
        return Review(plan, installation.number, before, draft.summary, _SAME, ())
    ahead = plan.empty and current is not None and not installation.is_bundle_of(current, draft)
    before()
    try:
        compared = compare_sides(generation_side(installation, current), draft_side(draft))
    except (StoreError, ValueError):
        compared = Compared(Comparison(), Detail.RULES)
    drifted = drift(plan, installation)
    if drifted or current is None:
        compared = _with_unrecorded(compared, plan, installation, draft)
    if ahead:
        compared = replace(compared, comparison=replace(compared.comparison, taken=TakenAway()))
    return Review(plan, installation.number, before, draft.summary, compared, drifted, ahead)


def _with_unrecorded(compared: Compared, plan: ExecutionPlan, installation: Installation, draft: Draft) -> Compared:
    """Return the comparison with the frontends that clients lose and no record names among those taken away."""
    with suppress(StoreError, ValueError):
        remaining, taken = staying(plan, draft), compared.comparison.taken
        lost = tuple(one.text for one in unrecorded(plan, installation) if one.reached_at not in remaining)
        taken = replace(taken, frontends=tuple(dict.fromkeys((*taken.frontends, *lost))))
        return replace(compared, comparison=replace(compared.comparison, taken=taken))
    return compared
