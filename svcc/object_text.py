"""The objects in the kernel that change, one level below services: elements, rules, chains, servers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from svcc.apply.summary import Summary
from svcc.comparison_text import GROUPS
from svcc.compiler.suggest import count
from svcc.kernel.steps import Change, FrontendAddress

#: Objects that are shown of each service, unless all are asked for.
_OBJECTS = 12
#: What objects are called that belong to no service alone.
SHARED = "(rules and settings that all services share)"


def service_of(change: Change, before: Summary, after: Summary) -> str:
    """The service that an object belongs to; "" for what all share."""
    frontend = after.of(change) or before.of(change)
    return frontend.service if frontend else change.label


def by_service(changes: Iterable[Change], before: Summary, after: Summary) -> dict[str, list[Change]]:
    """Changes by service, sorted by their names; what all share comes last."""
    grouped: dict[str, list[Change]] = {}
    for change in changes:
        grouped.setdefault(service_of(change, before, after), []).append(change)
    return dict(sorted(grouped.items(), key=lambda one: (not one[0], one[0])))


def object_lines(
    changes: Sequence[Change], before: Summary, after: Summary, *, everything: bool = False
) -> Iterator[str]:
    """Changes of objects by the services that they are of, indented; those of several services at the end.
    ``everything``: also where there are many."""
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
    """One change of an object: its verb, its part, and how it is and shall be."""
    return f"{change.verb.value} {change.part}: {str(change)[2:]}"


def object_json(change: Change, before: Summary, after: Summary) -> dict[str, Any]:
    """One change of an object, as ``plan.schema.json`` describes it."""
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
    """A frontend, as the JSON of plans has it."""
    return {"address": frontend.address, "protocol": frontend.protocol, "port": frontend.port}
