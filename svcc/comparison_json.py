"""A comparison of two programs as JSON, by service and endpoint. Its JSON Schema is diff.schema.json, beside this
module."""

from __future__ import annotations

from typing import Any

from svcc.apply.served import Compared, Detail
from svcc.compiler.service_change import ServiceChange

#: The word in the JSON for how much is known of both sides.
DETAILS = {Detail.RULES: "rules", Detail.FRONTENDS: "frontends", Detail.PROGRAM: "program"}


def comparison_json(compared: Compared) -> dict[str, Any]:
    """Return the document of ``svcc diff --format json``, as ``diff.schema.json`` describes it."""
    comparison = compared.comparison
    taken = comparison.taken
    return {
        "compared": DETAILS[compared.detail],
        "services": [
            {"service": one.service, "changes": [_change(change) for change in one.changes]}
            for one in comparison.services
        ],
        "cluster": [_change(change) for change in comparison.shared],
        "taken_away": {"services": taken.services, "endpoints": taken.endpoints, "frontends": [*taken.frontends]},
    }


def _change(change: ServiceChange) -> dict[str, Any]:
    return {
        "what": change.what.value,
        "subject": change.subject or None,
        "before": change.before or None,
        "after": change.after or None,
        "endpoints": change.endpoints,
        "frontends": [*change.frontends],
    }
