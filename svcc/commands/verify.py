"""``svcc verify``: real connections through the rules, in network namespaces, held against the reference."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import click

from svcc.exits import Exit
from svcc.inputs import compile_file
from svcc.kernel.namespaces import NamespaceError
from svcc.options import file_argument, format_option, loaded_target_option, node_option, quiet_option
from svcc.targets.interface import Target
from svcc.verify.judge import Verdict
from svcc.verify.packet import Forwarded
from svcc.verify.report import as_json, as_junit
from svcc.verify.session import CannotLoad, Session

if TYPE_CHECKING:
    from rich.table import Table

#: Width of a bar that stands for all connections of a case.
_BAR = 20


@click.command("verify")
@file_argument
@loaded_target_option
@node_option
@click.option("-c", "--connections", type=click.IntRange(1, 100_000), default=100, show_default=True, help="Per case.")
@click.option("--json", "to_json", is_flag=True, help="Print JSON.")
@click.option("--junit", metavar="FILE", type=click.Path(dir_okay=False, path_type=Path), help="Write JUnit XML too.")
@format_option
@quiet_option
def command(
    file: str,
    target: Target,
    node: str | None,
    connections: int,
    to_json: bool,
    junit: Path | None,
    form: str,
    quiet: bool,
) -> None:
    """Try FILE's services with real connections, and compare with what FILE means.

    Builds a node, a pod per endpoint and clients in network namespaces that are gone afterwards, loads the
    target's rules there, and connects to every vip, external ip and node port from every side. Needs root.
    Exit status 1 if anything deviates.
    """
    made = compile_file(file, target, node, form, quiet=quiet)
    try:
        assert made.program is not None
        with Session.start(made.program, made.node, made.bundle, target.default_scheduler) as session:
            steps = chain(session.verdicts(connections), session.survivors())
            if target.affinity_ends_in_time:
                steps = chain(steps, session.expiries())
            verdicts = list(steps if quiet or not sys.stderr.isatty() else _with_progress(steps, len(session.cases)))
    except (NamespaceError, CannotLoad) as error:
        click.echo(f"svcc: {error}\nsvcc doctor --target {target.name} says what this machine lacks", err=True)
        sys.exit(Exit.MACHINE)
    if junit is not None:
        junit.write_text(as_junit(verdicts, f"{file} {target.name}"), encoding="utf-8")
    if to_json:
        click.echo(json.dumps(as_json(verdicts, target.name), indent=2))
    else:
        _print(verdicts)
    if not all(verdict.passed for verdict in verdicts):
        sys.exit(Exit.DIFFERENT)


def _with_progress(verdicts: Iterable[Verdict], total: int) -> Iterator[Verdict]:
    from rich.console import Console
    from rich.progress import track

    yield from track(verdicts, "connecting", total, console=Console(stderr=True), transient=True)


def _print(verdicts: list[Verdict]) -> None:
    from rich.table import Table

    from svcc.console import console

    out = console()
    table = Table(box=None, pad_edge=False)
    for column in ("", "frontend", "from", "went to", "", "%"):
        table.add_column(column, justify="right" if column == "%" else "left")
    before = ""
    for verdict in verdicts:
        _add(table, verdict, before)
        before = verdict.case.frontend
    out.print(table)
    failed = sum(not verdict.passed for verdict in verdicts)
    out.print(f"\n{len(verdicts) - failed} as expected, {failed} not")


def _add(table: Table, verdict: Verdict, before: str) -> None:
    """A row per endpoint that answered, or one for what else happened; what deviates below it."""
    total = sum(verdict.counts.values())
    sign = "✓" if verdict.passed else "✗"
    frontend = "" if verdict.case.frontend == before else verdict.case.frontend
    expected = verdict.case.expected
    for name, number in verdict.counts.items():
        bar = "█" * max(1, round(number / total * _BAR)) if isinstance(expected, Forwarded) else ""
        table.add_row(sign, frontend, verdict.case.vantage if sign else "", name, bar, f"{100 * number / total:.0f}")
        sign = frontend = ""
    if not verdict.passed:
        table.add_row("", "", "", verdict.deviation)
