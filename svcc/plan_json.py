"""A plan as JSON. Its JSON Schema is plan.schema.json, beside this module."""

from __future__ import annotations

from typing import Any

from svcc.apply.fates import fates
from svcc.comparison_json import comparison_json
from svcc.health_rows import Health, health_json
from svcc.kernel.steps import Step
from svcc.object_text import frontend_json, object_json
from svcc.review import Review


def plan_json(review: Review, unfinished: str, health: Health) -> dict[str, Any]:
    """Return a plan as plan.schema.json describes it. ``unfinished``: what the next command would do first, "" if
    nothing."""
    plan, before, after = review.plan, review.before, review.after
    return {
        "version": 1,
        "from": plan.transition.old,
        "to": plan.transition.new,
        "unfinished": unfinished or None,
        **comparison_json(review.compared),
        "drift": [object_json(change, before, before) for change in review.drift],
        "objects": [object_json(change, before, after) for change in plan.changes],
        "answers": {"begins": sorted(plan.begins_to_answer), "ceases": sorted(plan.ceases_to_answer)},
        "steps": [_step(step) for step in plan.steps],
        "connections": [
            {
                "place": frontend_json(one.route.frontend),
                "endpoint": one.route.endpoint,
                "port": one.route.port,
                "count": one.number,
                "fate": one.fate.value,
            }
            for one in fates(plan)
        ],
        "obstacles": list(plan.refusals),
        "health": [health_json(one, health) for one in health.failed],
    }


def _step(step: Step) -> dict[str, Any]:
    return {"part": step.part, "title": step.title, "atomic": step.atomic, "size": step.size}
