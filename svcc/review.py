"""A plan as people review it: what FILE changes of the services, and what was changed by hand before."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, partial

from svcc.apply.drift import drift
from svcc.apply.execution_plan import ExecutionPlan
from svcc.apply.generation import Draft
from svcc.apply.installation import Installation
from svcc.apply.served import Compared, Detail, compare_sides, draft_side, generation_side, says_otherwise
from svcc.apply.state_files import StoreError
from svcc.apply.summary import Summary
from svcc.compiler.comparison import Comparison
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
    before()
    try:
        compared = compare_sides(generation_side(installation, current), draft_side(draft))
    except (StoreError, ValueError):
        compared = Compared(Comparison(), Detail.RULES)
    return Review(plan, installation.number, before, draft.summary, compared, drift(plan, installation))
