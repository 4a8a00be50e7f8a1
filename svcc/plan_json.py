"""A plan for machines. Its JSON Schema is plan.schema.json, beside this module."""

from __future__ import annotations

from typing import Any

from svcc.apply.engine import Plan
from svcc.apply.summary import Summary
from svcc.kernel import conntrack
from svcc.kernel.steps import Change, Place, Step
from svcc.plan_text import service_of


def plan_json(plan: Plan, before: Summary, after: Summary, unfinished: str) -> dict[str, Any]:
    """See the schema. ``unfinished``: what the next command would do first, "" if nothing."""
    counted, ending = conntrack.count(plan.left), plan.ending
    return {
        "version": 1,
        "from": plan.transition.old,
        "to": plan.transition.new,
        "unfinished": unfinished or None,
        "changes": [change_json(change, before, after) for change in plan.changes],
        "steps": [_step(step) for step in plan.steps],
        "connections": [
            {
                "place": _place(route.place),
                "endpoint": route.endpoint,
                "port": route.port,
                "count": counted[route],
                "forgotten": route in ending,
            }
            for route in sorted(counted, key=str)
        ],
        "obstacles": list(plan.obstacles),
    }


def change_json(change: Change, before: Summary, after: Summary) -> dict[str, Any]:
    return {
        "verb": change.verb.name.lower(),
        "part": change.part,
        "kind": change.kind,
        "subject": change.subject,
        "before": change.before or None,
        "after": change.after or None,
        "service": service_of(change, before, after) or None,
        "place": _place(change.place) if change.place else None,
    }


def _place(place: Place) -> dict[str, Any]:
    return {"address": place.address, "protocol": place.protocol, "port": place.port}


def _step(step: Step) -> dict[str, Any]:
    return {"part": step.part, "title": step.title, "atomic": step.atomic, "size": step.size}
