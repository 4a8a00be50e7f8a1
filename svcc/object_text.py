"""Changes of objects in the kernel as text and JSON, one level below services: elements, rules, chains, servers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from svcc.apply.summary import Summary
from svcc.comparison_text import GROUPS
from svcc.compiler.suggest import count
from svcc.kernel.steps import Change, FrontendAddress

#: How many objects are shown of each service, unless all are asked for.
_OBJECTS = 12
#: The heading of objects that belong to no single service.
SHARED = "(rules and settings that all services share)"


def service_of(change: Change, before: Summary, after: Summary) -> str:
    """Return the name of the service that an object belongs to; "" for what all services share."""
    frontend = after.of(change) or before.of(change)
    return frontend.service if frontend else change.label


def by_service(changes: Iterable[Change], before: Summary, after: Summary) -> dict[str, list[Change]]:
    """Return changes by service, sorted by name; those of what all services share come under "", which is last."""
    grouped: dict[str, list[Change]] = {}
    for change in changes:
        grouped.setdefault(service_of(change, before, after), []).append(change)
    return dict(sorted(grouped.items(), key=lambda one: (not one[0], one[0])))


def object_lines(
    changes: Sequence[Change], before: Summary, after: Summary, *, everything: bool = False
) -> Iterator[str]:
    """Yield changes of objects, indented below the name of their service; what all services share comes last.

    ``everything``: leave nothing out where there are many.
    """
    grouped = by_service(changes, before, after)
    shown = list(grouped.items()) if everything else list(grouped.items())[:GROUPS]
    for service, mine in shown:
        yield service or SHARED
        few = mine if everything else mine[:_OBJECTS]
        yield from (f"  {object_text(change)}" for change in few)
        if len(few) < len(mine):
            yield f"  … and {count(len(mine) - len(few), 'more object')} (--all shows them)"
    if len(shown) < len(grouped):
        yield f"… and {count(len(grouped) - len(shown), 'more service')} (--all shows them)"


def object_text(change: Change) -> str:
    """Return a change of an object as text: its verb, its part, and the object before and after."""
    return f"{change.verb.value} {change.part}: {str(change)[2:]}"


def object_json(change: Change, before: Summary, after: Summary) -> dict[str, Any]:
    """Return a change of an object, as ``plan.schema.json`` describes it."""
    return {
        "verb": change.verb.name.lower(),
        "part": change.part,
        "kind": change.kind,
        "subject": change.subject,
        "before": change.before or None,
        "after": change.after or None,
        "service": service_of(change, before, after) or None,
        "place": frontend_json(change.frontend) if change.frontend else None,
    }


def frontend_json(frontend: FrontendAddress) -> dict[str, Any]:
    """Return a frontend, as it is in the JSON of plans."""
    return {"address": frontend.address, "protocol": frontend.protocol, "port": frontend.port}
