"""``svcc verify``: try real connections through the rules, in network namespaces, and compare with the reference."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TypeAlias

import click

from svcc.apply.wanted import Wanted
from svcc.commands.import_ import write_texts
from svcc.compiler import ir
from svcc.exits import Exit
from svcc.help import examples
from svcc.inputs import compile_file
from svcc.kernel.namespaces import NamespaceError
from svcc.options import file_argument, format_option, loaded_target_option, node_option, quiet_option
from svcc.output import put, put_json
from svcc.paths import FilePath, need_no_input
from svcc.state_options import fail, need_agent
from svcc.tables import fits, table
from svcc.targets import targets
from svcc.targets.capability import check_target
from svcc.targets.interface import Target
from svcc.verify.judge import Verdict
from svcc.verify.packet import Forwarded
from svcc.verify.report import as_json, as_junit
from svcc.verify.verification import CannotLoad, Verification

#: Characters of a bar that stands for all connections of a case.
_BAR = 20


@click.command(
    "verify", epilog=examples("svcc verify svc.dsl --target nft", "svcc verify svc.dsl --target iptables --agent")
)
@file_argument
@loaded_target_option
@node_option
@click.option(
    "-c",
    "--connections",
    type=click.IntRange(1, 100_000),
    default=100,
    show_default=True,
    help="How many connections to try in each case.",
)
@click.option("--agent", is_flag=True, help="Kill a pod's server, and the pod, with an agent at work in the node.")
@click.option("--json", "to_json", is_flag=True, help="Print JSON.")
@click.option("--junit", metavar="FILE", type=FilePath(dir_okay=False, path_type=Path), help="Write JUnit XML too.")
@format_option
@quiet_option
def command(
    file: str,
    target: Target,
    node: str | None,
    connections: int,
    agent: bool,
    to_json: bool,
    junit: Path | None,
    form: str,
    quiet: bool,
) -> None:
    """Try FILE's services with real connections, and compare with what FILE means.

    Builds a node, a pod per endpoint and clients in network namespaces that are gone afterwards, loads the
    target's rules there, and connects to every vip, external ip and node port from every side. Needs root.
    Exit status 1 if anything deviates.

    With --agent, `svcc agent` loads the rules, and asks endpoints by tcp every second: new connections avoid
    an endpoint whose server or pod died as soon as it is noticed, none of them fails from then on, and it comes back.
    """
    need_no_input("--junit", junit, [file])
    made = compile_file(file, target, node, form, quiet=quiet)
    need_no_input("--junit", junit, [name for name, _ in made.sources.files] if made.sources else [])
    try:
        if agent:
            verdicts = _with_agent(made, target, connections)
        else:
            verdicts = _without_agent(made, target, connections, quiet=quiet)
    except (NamespaceError, CannotLoad) as error:
        click.echo(f"svcc: {error}\nsvcc doctor --target {target.name} says what this machine lacks", err=True)
        sys.exit(Exit.MACHINE)
    if junit is not None:
        write_texts({junit: as_junit(verdicts, f"{file} {target.name}")})
    if to_json:
        put_json(as_json(verdicts, target.name))
    else:
        _print(verdicts)
    if not all(verdict.passed for verdict in verdicts):
        sys.exit(Exit.DIFFERENT)


def _without_agent(made: Wanted, target: Target, connections: int, *, quiet: bool) -> list[Verdict]:
    assert made.program is not None
    with Verification.start(made.program, made.node, made.bundle, target.default_scheduler) as verification:
        steps = chain(
            verification.verdicts(connections),
            verification.companions(),
            verification.survivors(),
            verification.datagrams(),
            verification.neighbours(),
        )
        if target.affinity_ends_in_time:
            steps = chain(steps, verification.expiries())
        for template in _templates(made.program):
            steps = chain(steps, verification.balancers(template, connections))
        return list(steps if quiet or not sys.stderr.isatty() else _with_progress(steps, len(verification.cases)))


def _templates(program: ir.Program) -> Iterator[str]:
    """Yield the configurations of a program's balancers, as the target prints them that makes balancers."""
    for target in targets().values() if program.balancers else ():
        if not target.balances:
            continue
        if refused := check_target(program, target, None):
            click.echo(f"svcc: the balancers are not tried: svcc check -t {target.name} says why", err=True)
            click.echo(f"svcc: {refused[0].message}", err=True)
            continue
        yield "".join(artifact.text for artifact in target.render(program, None).artifacts)


def _with_agent(made: Wanted, target: Target, connections: int) -> list[Verdict]:
    need_agent()
    from svcc.agent.trial import TrialError, trial

    assert made.program is not None
    try:
        with trial(made.program, made.node, target) as tried:
            return [*tried.verdicts(connections)]
    except TrialError as error:
        fail(str(error), Exit.MACHINE)


def _with_progress(verdicts: Iterable[Verdict], total: int) -> Iterator[Verdict]:
    from rich.console import Console
    from rich.progress import track

    yield from track(verdicts, "connecting", total, console=Console(stderr=True), transient=True)


def _print(verdicts: list[Verdict]) -> None:
    rows: list[_Row] = []
    before = ""
    for verdict in verdicts:
        rows += _rows(verdict, before)
        before = verdict.case.frontend
    lines = [row if isinstance(row, str) else row.cells for row in rows]
    if fits(_HEADS, lines):
        put("".join(f"{line}\n" for line in table(_HEADS, lines, right=frozenset({5}))))
    else:
        narrow = [row if isinstance(row, str) else row.narrow for row in rows]
        put("".join(f"{line}\n" for line in table(_HEADS[:4], narrow)))
    failed = sum(not verdict.passed for verdict in verdicts)
    put(f"\n{len(verdicts) - failed} as expected, {failed} not\n")


_HEADS = ("", "frontend", "from", "went to", "", "%")


@dataclass(frozen=True, slots=True)
class _Cells:
    """A row of the table, and the frontend of its case, if it is the first row of that. A narrow terminal has no room
    for bars."""

    cells: tuple[str, ...]
    frontend: str

    @property
    def narrow(self) -> tuple[str, ...]:
        return (self.cells[0], self.frontend, self.cells[2], f"{self.cells[3]}, {self.cells[5]} %")


_Row: TypeAlias = _Cells | str


def _rows(verdict: Verdict, before: str) -> Iterator[_Row]:
    """Yield a row for each endpoint that answered, or for what else happened; and a line that says what deviates."""
    total = sum(verdict.counts.values())
    sign = "✓" if verdict.passed else "✗"
    frontend = "" if verdict.case.frontend == before else verdict.case.frontend
    expected = verdict.case.expected
    for name, number in verdict.counts.items():
        bar = "█" * max(1, round(number / total * _BAR)) if isinstance(expected, Forwarded) else ""
        share = f"{100 * number / total:.0f}"
        cells = (sign, frontend, verdict.case.vantage if sign else "", name, bar, share)
        yield _Cells(cells, verdict.case.frontend if sign else "")
        sign = frontend = ""
    if not verdict.passed:
        yield verdict.deviation
