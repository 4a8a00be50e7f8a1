"""How long svcc takes: ``python bench/run.py --help``.

Compiles benchmark programs, loads the result into network namespaces of its own, sends connections through them, and
prints what it took; nothing of the machine is changed and no file is left, unless --output or --plots names one.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import click
import compiling
from agents import agents
from changes import changes
from clusters import clusters
from fleets import fleets
from growth import growth
from latency import latency
from loads import load
from machine_with_ipvs import with_ipvs
from measure import Failed, doing
from plots import draw
from programs import Size
from report import console, show
from results import Part, Results, machine
from task import Task

from svcc.targets import targets

_PARTS: dict[str, Callable[[Task], Part]] = {
    "start": compiling.start,
    "compile": compiling.compile,
    "stages": compiling.stages,
    "load": load,
    "mixed": lambda task: load(replace(task, size=replace(task.size, mixed=True))),
    "changes": changes,
    "growth": growth,
    "latency": latency,
    "agent": agents,
    "kubernetes": clusters,
    "fleet": fleets,
}
_NEED_ROOT = ("load", "mixed", "changes", "growth", "latency", "agent", "kubernetes", "ipvs")
#: The parts that are measured again where there is IPVS.
_WITH_IPVS = ("load", "changes", "growth", "latency", "agent")


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--services", default=1_000, show_default=True, help="How many services.")
@click.option("--endpoints", default=10, show_default=True, help="How many endpoints each has.")
@click.option("--full", is_flag=True, help="10,000 services.")
@click.option("--mixed", is_flag=True, help="Every tenth service has a node port and client-ip affinity as well.")
@click.option("--ipv6", is_flag=True, help="All addresses are IPv6.")
@click.option("--ports", default=1, show_default=True, help="How many ports each service has.")
@click.option("--rounds", "number", default=3, show_default=True, help="How often everything is measured.")
@click.option("--turns", default=100, show_default=True, help="How many turns of connections each case has.")
@click.option("--nodes", default=100, show_default=True, help="How many nodes part fleet has.")
@click.option("--target", "names", type=click.Choice(list(targets())), multiple=True, help="Only this target.")
@click.option("--only", "parts", type=click.Choice((*_PARTS, "ipvs")), multiple=True, help="Only this part.")
@click.option(
    "--with-ipvs", "inner", type=click.Choice(_WITH_IPVS), multiple=True, help="Of part ipvs, only this part."
)
@click.option(
    "--peer",
    "peers",
    metavar="NAME=FILE:TOOL",
    multiple=True,
    help="Another program's rules for the same services, loaded beside.",
)
@click.option("--mixed-peer", "mixed_peers", metavar="NAME=FILE:TOOL", multiple=True, help="The same for part mixed.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the JSON to this file as well. Parts that it has and that are not measured now stay in it.",
)
@click.option("--plots", type=click.Path(file_okay=False, path_type=Path), help="Draw into this directory.")
def main(
    services: int,
    endpoints: int,
    full: bool,
    mixed: bool,
    ipv6: bool,
    ports: int,
    number: int,
    turns: int,
    nodes: int,
    names: tuple[str, ...],
    parts: tuple[str, ...],
    inner: tuple[str, ...],
    peers: tuple[str, ...],
    mixed_peers: tuple[str, ...],
    as_json: bool,
    output: Path | None,
    plots: Path | None,
) -> None:
    """Measure svcc on a program of many services. Without --only all parts, which takes a few minutes."""
    size = Size(10_000 if full else services, endpoints, mixed, 6 if ipv6 else 4, ports)
    chosen = tuple(targets()[name] for name in names) or tuple(t for t in targets().values() if t.loads)
    results = Results(machine(), Results.read(output).parts if output and output.exists() else {})
    try:
        for name in _possible(parts or (*_PARTS, "ipvs")):
            with TemporaryDirectory(prefix="svcc-bench-") as folder, doing(name):
                os.environ["XTABLES_LOCKFILE"] = f"{folder}/xtables.lock"  # so as not to wait for other programs
                task = Task(size, number, chosen, Path(folder), mixed_peers if name == "mixed" else peers, turns, nodes)
                results.parts |= _measure(name, task, inner or _WITH_IPVS)
            if output:  # after each part, so that it is kept where a later one fails
                output.write_text(results.as_json(), encoding="utf-8")
    except Failed as error:
        raise click.ClickException(str(error)) from error
    if plots:
        draw(results, plots)
    if as_json:
        click.echo(results.as_json(), nl=False)
    else:
        show(results, console())


def _possible(names: tuple[str, ...]) -> list[str]:
    if os.geteuid() != 0 and any(name in _NEED_ROOT for name in names):
        click.echo("only compiling is measured: the rest needs root", err=True)
        return [name for name in names if name not in _NEED_ROOT]
    return list(names)


def _measure(name: str, task: Task, inner: tuple[str, ...]) -> dict[str, Part]:
    if name == "ipvs":
        return with_ipvs(task, inner)
    before = os.getloadavg()[0]
    part = _PARTS[name](task)
    part.load_average = (before, os.getloadavg()[0])
    return {name: part}


if __name__ == "__main__":
    main()
