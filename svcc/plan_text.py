"""A plan for people: what changes by service, which steps it takes, whose connections it touches."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from svcc.apply.engine import Plan
from svcc.apply.summary import Summary
from svcc.kernel import conntrack
from svcc.kernel.steps import Change, Route, Verb, socket_text

#: Objects that are shown of each service, and services, unless all are asked for.
_OBJECTS, _SERVICES = 12, 100
_REST = "(rules and settings that all services share)"


def count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def plan_text(plan: Plan, before: Summary, after: Summary, *, everything: bool = False) -> str:
    """The plan as text, every line ended. ``before``, ``after``: the summaries of what is there and is to be."""
    if plan.empty:
        return "Nothing to do: the kernel holds what it should.\n"
    blocks = [
        _by_service(plan.changes, before, after, everything=everything),
        _steps(plan),
        _connections(plan),
        [_total(plan.changes, plan)],
    ]
    return "\n".join("".join(f"{line}\n" for line in block) for block in blocks if block)


def service_of(change: Change, before: Summary, after: Summary) -> str:
    """The service that an object belongs to; "" for what all share."""
    listener = after.of(change) or before.of(change)
    return listener.service if listener else change.label


def by_service(changes: Iterable[Change], before: Summary, after: Summary) -> dict[str, list[Change]]:
    """Changes by service, sorted by their names; what all share comes last."""
    grouped: dict[str, list[Change]] = {}
    for change in changes:
        grouped.setdefault(service_of(change, before, after), []).append(change)
    return dict(sorted(grouped.items(), key=lambda one: (not one[0], one[0])))


def _by_service(changes: Sequence[Change], before: Summary, after: Summary, *, everything: bool) -> list[str]:
    lines: list[str] = []
    grouped = by_service(changes, before, after)
    shown = list(grouped.items()) if everything else list(grouped.items())[:_SERVICES]
    for service, mine in shown:
        lines.append(service or _REST)
        few = mine if everything else mine[:_OBJECTS]
        lines += [f"  {change_text(change)}" for change in few]
        if len(few) < len(mine):
            lines.append(f"  … and {count(len(mine) - len(few), 'more change')} (--all shows them)")
    if len(shown) < len(grouped):
        lines.append(f"… and {count(len(grouped) - len(shown), 'more service')} (--all shows them)")
    return lines


def change_text(change: Change) -> str:
    return f"{change.verb.value} {change.part}: {str(change)[2:]}"


def _steps(plan: Plan) -> Iterator[str] | list[str]:
    lines = ["Steps"]
    for number, step in enumerate(plan.steps, 1):
        atomic = "at once" if step.atomic else "one by one"
        lines.append(f"  {number}. {step.part}: {step.title} ({atomic})")
    return lines


def _connections(plan: Plan) -> list[str]:
    counted = conntrack.count(plan.left)
    lines = [f"  {_fate(plan, route, number)}" for route, number in sorted(counted.items(), key=str)]
    return ["Connections", *lines] if lines else []


def _fate(plan: Plan, route: Route, number: int) -> str:
    what = f"{count(number, 'connection')} from {route.place} to {socket_text(route.endpoint, route.port)}"
    if route in plan.ending:
        return f"{what}: forgotten, their next packet goes to another endpoint"
    if plan.transition.from_balancer or plan.transition.to_balancer:
        return f"{what}: end, as the endpoint leaves"
    return f"{what}: go on until they end, while the endpoint answers"


def _total(changes: Sequence[Change], plan: Plan) -> str:
    verbs = {verb: sum(change.verb is verb for change in changes) for verb in Verb}
    parts = [f"{verbs[Verb.ADD]:,} to add", f"{verbs[Verb.CHANGE]:,} to change", f"{verbs[Verb.REMOVE]:,} to remove"]
    whole = "all at once" if len(plan.steps) == 1 and plan.steps[0].atomic else "each step undone if a later one fails"
    return f"{', '.join(parts)}, in {count(len(plan.steps), 'step')}: {whole}."
