"""How long svcc takes: ``python bench/run.py --help``.

Compiles benchmark programs, loads the result into network namespaces of its own and prints what it took; nothing of
the machine is changed and no file is left, unless --output names one.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile
from typing import Any

import click
from loads import Load, as_nft_text, our_loads, peer_load
from measure import Failed, Sample, rounds, run
from programs import Size, program
from report import Document, machine, show
from rich.console import Console

from svcc.targets import targets
from svcc.targets.interface import Target

_HERE = Path(__file__).parent
_SVCC = (sys.executable, "-P", "-m", "svcc")  # -P: the directory that this runs in is not where svcc is
_PARTS = ("start", "compile", "stages", "load")


@contextmanager
def _doing(what: str) -> Iterator[None]:
    with Console(stderr=True).status(what):
        yield


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--services", default=1_000, show_default=True, help="How many services.")
@click.option("--endpoints", default=10, show_default=True, help="How many endpoints each has.")
@click.option("--full", is_flag=True, help="10,000 services.")
@click.option("--mixed", is_flag=True, help="Every tenth service has a node port and client-ip affinity as well.")
@click.option("--ipv6", is_flag=True, help="All addresses are IPv6.")
@click.option("--ports", default=1, show_default=True, help="How many ports each service has.")
@click.option("--rounds", "number", default=5, show_default=True, help="How often everything is measured.")
@click.option("--target", "names", type=click.Choice(list(targets())), multiple=True, help="Only this target.")
@click.option("--only", "parts", type=click.Choice(_PARTS), multiple=True, help="Only this part.")
@click.option("--peer", "peers", metavar="NAME=FILE:TOOL", multiple=True, help="Load another program's rules beside.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), help="Write the JSON to this file as well.")
def main(
    services: int,
    endpoints: int,
    full: bool,
    mixed: bool,
    ipv6: bool,
    ports: int,
    number: int,
    names: tuple[str, ...],
    parts: tuple[str, ...],
    peers: tuple[str, ...],
    as_json: bool,
    output: Path | None,
) -> None:
    """Measure svcc on a program of many services."""
    size = Size(10_000 if full else services, endpoints, mixed, 6 if ipv6 else 4, ports)
    chosen = [targets()[name] for name in names] or [t for t in targets().values() if t.loads]
    document = Document(str(size), number, machine())
    try:
        with TemporaryDirectory(prefix="svcc-bench-") as folder:
            measure(document, size, chosen, parts or _PARTS, peers, Path(folder))
    except Failed as error:
        raise click.ClickException(str(error)) from error
    text = json.dumps(document.as_json(), indent=2) + "\n"
    if output:
        output.write_text(text, encoding="utf-8")
    if as_json:
        click.echo(text, nl=False)
    else:
        show(document)


def measure(
    document: Document, size: Size, chosen: list[Target], parts: tuple[str, ...], peers: tuple[str, ...], folder: Path
) -> None:
    file = folder / "bench.dsl"
    file.write_text(program(size), encoding="utf-8")
    if "start" in parts:
        document.start = measure_start(folder, document.rounds)
    if "compile" in parts:
        document.compile = measure_compile(file, chosen, document.rounds)
    if "stages" in parts:
        document.stages = measure_stages(file, chosen, document.rounds)
    if "load" in parts and os.geteuid() != 0:
        click.echo("loading is left out: it needs root", err=True)
    elif "load" in parts:
        measure_loads(document, file, chosen, peers, folder)


def measure_start(folder: Path, number: int) -> dict[str, list[Sample]]:
    file = folder / "small.dsl"
    file.write_text(program(Size(1, 10)), encoding="utf-8")
    lines = len(file.read_text(encoding="utf-8").splitlines())
    with _doing("starting"):
        return rounds(
            [
                lambda: {"svcc --version": run([*_SVCC, "--version"])},
                lambda: {f"svcc check, {lines} lines": run([*_SVCC, "check", str(file)])},
            ],
            number,
        )


def measure_compile(file: Path, chosen: list[Target], number: int) -> dict[str, list[Sample]]:
    def whole() -> dict[str, Sample]:
        found = {f"svcc compile -t {t.name}": run([*_SVCC, "compile", str(file), "-t", t.name]) for t in chosen}
        return {"svcc check": run([*_SVCC, "check", str(file)])} | found

    with _doing("compiling"):
        return rounds([whole], number)


def measure_stages(file: Path, chosen: list[Target], number: int) -> dict[str, list[float]]:
    def stages(*words: str) -> dict[str, float]:
        with TemporaryFile() as said:
            run([sys.executable, "-P", str(_HERE / "stages.py"), str(file), *words], stdout=said)
            said.seek(0)
            seconds: dict[str, Any] = json.load(said)
        return seconds

    with _doing("compiling in stages"):
        return rounds(
            [lambda: stages("lark"), lambda: stages("lark-alone"), lambda: stages(*(t.name for t in chosen))], number
        )


def measure_loads(document: Document, file: Path, chosen: list[Target], peers: tuple[str, ...], folder: Path) -> None:
    loads: list[Load] = []
    for target in chosen:
        if target.loads:
            parts = folder / target.name
            run([*_SVCC, "compile", str(file), "-t", target.name, "-o", str(parts)])
            loads += our_loads(target, parts)
    loads += [as_nft_text(load, folder) for load in loads if load.name == "nft"]
    loads += [peer_load(peer, folder) for peer in peers]
    document.loads = loads
    with _doing("loading"):
        found = rounds([partial(load.run, document.failed) for load in loads], document.rounds)
    document.load = {name: samples for name, samples in found.items() if name not in document.failed}


if __name__ == "__main__":
    main()
