"""Tables of what was measured and what was promised: ``python bench/report.py RESULTS.json [PAGE.md]``.

Where a page is given, its tables are replaced: each is between ``<!-- table: PART -->`` (or ``bars``) and ``<!-- end
-->``.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable
from io import StringIO
from pathlib import Path

from bars import Bar, bars
from measure import Spread
from results import Part, Results
from rich import box
from rich.console import Console
from rich.table import Table

#: By measure, the column's head and the digits after the point.
_COLUMNS = {
    "seconds": ("s", 3),
    "cpu": ("cpu s", 3),
    "megabytes": ("MB", 0),
    "percent": ("% of a core", 2),
    "to kernel": ("s to kernel", 3),
    "recorded": ("s to recorded", 3),
    "removal": ("s to removal", 1),
    "median": ("s p50", 3),
    "most": ("s p99", 3),
    "requests": ("requests/s", 2),
    "bytes": ("bytes/s", 0),
    "p50": ("p50 µs", 1),
    "p90": ("p90 µs", 1),
    "p99": ("p99 µs", 1),
    "per second": ("per s", 0),
}


def show(results: Results, console: Console) -> None:
    """Print the medians, with the lowest and highest of all rounds in brackets."""
    console.print(", ".join(f"{name} {value}" for name, value in results.machine.items()), soft_wrap=True)
    for name, part in results.parts.items():
        busy = " to ".join(f"{load:.1f}" for load in part.load_average)
        title = f"{name}: {part.program}, Linux {part.kernel}, load average {busy}"
        console.print(f"\n{title}", soft_wrap=True, highlight=False)
        console.print(_part_table(part))
        for case, reason in part.failed.items():
            console.print(f"{case} could not be measured here: {reason}", soft_wrap=True)
    found = list(bars(results))
    if found:
        console.print("\nwhat is promised at 10,000 services with 10 endpoints", highlight=False)
        console.print(bar_table(found))


def rewrite(page: str, results: Results) -> str:
    """Return the page with the tables of these results. Errors: KeyError for a part that was not measured."""

    def anew(match: re.Match[str]) -> str:
        found = bar_table(bars(results)) if match[1] == "bars" else _part_table(results.parts[match[1]])
        return f"<!-- table: {match[1]} -->\n\n{_markdown(found)}\n<!-- end -->"

    return re.sub(r"<!-- table: (.+) -->\n(?:.*\n)*?<!-- end -->", anew, page)


def _markdown(table: Table) -> str:
    table.box, table.pad_edge = box.MARKDOWN, True
    lines = Console(width=400, file=StringIO(), record=True)
    lines.print(table)
    return "".join(f"{line.strip()}\n" for line in lines.export_text().splitlines() if line.strip())


def _table(columns: Iterable[str]) -> Table:
    table = Table("", box=None, pad_edge=False)
    for column in columns:
        table.add_column(column, justify="right", no_wrap=True)
    return table


def _part_table(part: Part) -> Table:
    known = {measure for rounds in part.cases.values() for measure in rounds[0]}
    measures = [measure for measure in _COLUMNS if measure in known]
    table = _table(["rounds", *(_COLUMNS[measure][0] for measure in measures)])
    for case, rounds in part.cases.items():
        cells = [
            figure(part.spread(case, measure), _COLUMNS[measure][1]) if measure in rounds[0] else ""
            for measure in measures
        ]
        table.add_row(case, str(len(rounds)), *cells)
    return table


def figure(spread: Spread, digits: int) -> str:
    return f"{spread.middle:.{digits}f} ({spread.low:.{digits}f} - {spread.high:.{digits}f})"


def bar_table(found: Iterable[Bar]) -> Table:
    table = _table(["measured", "bar", "met", "of cpu s"])
    for bar in found:
        digits = 0 if bar.unit == "MB" else 3 if bar.unit == "s" else 2
        sign = "≥" if bar.at_least else "≤"
        unit = f" {bar.unit}" if bar.unit else ""
        table.add_row(
            bar.words,
            figure(bar.measured, digits) + unit,
            f"{sign} {bar.limit:g}{unit}",
            "yes" if bar.met else "no",
            figure(bar.cpu, digits) if bar.cpu else "",
        )
    return table


def console() -> Console:
    """Return a console. Where its output is no terminal, it is wide enough for every table."""
    return Console() if sys.stdout.isatty() else Console(width=200)


def main(file: Path, *pages: Path) -> None:
    results = Results.read(file)
    for page in pages:
        page.write_text(rewrite(page.read_text(encoding="utf-8"), results), encoding="utf-8")
    if not pages:
        show(results, console())


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
