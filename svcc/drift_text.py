"""What others changed in the kernel by hand, in lines by service and endpoint."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from svcc.apply.summary import ServedFrontend, Summary
from svcc.comparison_text import GROUPS, names_text
from svcc.compiler.suggest import count
from svcc.kernel.steps import Change, socket_text
from svcc.kernel_rows import Agreement, Row, Rows
from svcc.object_text import SHARED, by_service


def drift_lines(changes: Sequence[Change], summary: Summary, rows: Rows, *, everything: bool = False) -> Iterator[str]:
    """Yield a line for each endpoint that the kernel lacks, or has and should not, by service.

    ``changes``: from what the kernel holds to what was applied. ``rows``: made from the same changes.
    """
    groups = _groups(by_service(changes, summary, summary), summary, rows)
    for names, lines in groups if everything else groups[:GROUPS]:
        who = names_text(names, everything=everything) if names else SHARED[1:-1]
        yield from (f"{who}: {line}" for line in lines)
    if len(groups) > GROUPS and not everything:
        yield f"… and {count(len(groups) - GROUPS, 'more service')} (--all shows them)"


def _groups(changes: dict[str, list[Change]], summary: Summary, rows: Rows) -> list[tuple[list[str], tuple[str, ...]]]:
    """Return names of services with the lines about them; services with the same lines are one group. A group without
    names is about what all services share."""
    frontends: dict[str, list[ServedFrontend]] = {}
    for one in summary.frontends:
        frontends.setdefault(one.service, []).append(one)
    found: dict[tuple[str, ...], list[str]] = {}
    for service, mine in changes.items():
        held = [[*rows.of(one)] for one in frontends.get(service, ())]
        lines = _of_service(held, mine) if service else (f"{count(len(mine), 'object')}",)
        found.setdefault(lines if service else ("", *lines), []).append(service)
    return [([name for name in names if name], tuple(filter(None, lines))) for lines, names in found.items()]


def _of_service(held: Sequence[Sequence[Row]], changes: Sequence[Change]) -> tuple[str, ...]:
    rows = [row for some in held for row in some]
    active = [row for row in rows if row.weight]
    added = any(row.held is Agreement.ADDED for row in rows)
    if active and not added and all(row.held is Agreement.MISSING for row in active):
        return ("nothing of it is in the kernel",)
    lines = dict.fromkeys(
        f"{socket_text(row.address, row.port)} is {row.held.value}"
        for row in rows
        if row.held in (Agreement.MISSING, Agreement.ADDED)
    )
    return tuple(lines) or (f"{count(len(changes), 'object')} of it changed",)
