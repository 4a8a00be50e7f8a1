"""``svcc show``: show what a generation serves."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import click

from svcc import completion
from svcc.apply.generation import Generation
from svcc.apply.installation import Installation
from svcc.apply.served import Detail, Side, generation_side
from svcc.apply.store import Store
from svcc.applying import Cause, explained
from svcc.comparison_json import DETAILS
from svcc.comparison_text import limits_of
from svcc.compiler import ir
from svcc.compiler.comparison import port_text, settings_of
from svcc.compiler.endpoint_changes import options, socket_of
from svcc.compiler.ir_to_json import to_json
from svcc.compiler.report import printable
from svcc.exits import Exit
from svcc.help import examples
from svcc.output import put
from svcc.state_options import fail, named_generation, pick_installation, prefix_option, state_option
from svcc.targets.bundle import bundle_text


@click.command("show", epilog=examples("svcc show", "svcc show 3 --rules"))
@click.argument("generation", type=click.IntRange(1), required=False, shell_complete=completion.generations)
@prefix_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON: the generation, and its program's IR.")
@click.option("--rules", is_flag=True, help="Print its bundle, as `svcc compile` did.")
@state_option
def command(generation: int | None, prefix: str | None, as_json: bool, rules: bool, store: Store) -> None:
    """Show what GENERATION serves (see `svcc history`), or what was applied last: services, addresses, endpoints.

    What the kernel holds now is what `svcc status` says.
    """
    if as_json and rules:
        raise click.UsageError("--json and --rules: choose one")
    with explained(Cause()):
        installation = pick_installation(store, prefix)
        found = installation.current if generation is None else named_generation(installation, generation)
        if found is None:
            fail("the first apply here was stopped in the middle: nothing is in place", Exit.DIFFERENT)
        if rules:
            bundle = installation.bundle(found)
            put("" if bundle is None else bundle_text(bundle))
            return
        side = generation_side(installation, found)
        program = side.as_program()
        document = _as_json(installation, found, side, program) if as_json else None
        lines = () if as_json else [*_lines(installation, found, side, program)]
    put(json.dumps(document, indent=2) + "\n" if as_json else "".join(f"{line}\n" for line in lines))


def _as_json(installation: Installation, generation: Generation, side: Side, program: ir.Program) -> dict[str, Any]:
    return {
        "generation": asdict(generation),
        "current": generation.number == installation.number,
        "confirmed": generation.number not in installation.unconfirmed,
        "known": DETAILS[side.detail],
        "program": to_json(program),
    }


def _lines(installation: Installation, generation: Generation, side: Side, program: ir.Program) -> Iterator[str]:
    place = " (in place)" if generation.number == installation.number else ""
    target = generation.target or "nothing"
    yield f"{generation.prefix}: generation {generation.number}{place}: {target}, {generation.time} by {generation.who}"
    node = f", node {generation.node}" if generation.node else ""
    yield f"from {printable(generation.note or generation.source)}{node}, hash {generation.hash[:12]}"
    if side.detail is not Detail.PROGRAM:
        yield limits_of(side.detail)
    for service in program.services:
        yield from ("", *_service(service))
    if not program.services:
        yield "No service."


def _service(service: ir.Service) -> Iterator[str]:
    yield service.name
    for address in service.addresses:
        role = "vip" if address in service.vips else "external-ip"
        yield f"  {role} {address}{' shared' if address in service.shared else ''}"
    for port in service.ports:
        yield f"  port {f'{port.name} ' if port.name else ''}{port_text(port)}"
    yield from (f"  {name} {value}" for name, value in settings_of(service).items())
    for endpoint in service.endpoints:
        yield f"  endpoint {socket_of(endpoint, service)} {options(endpoint)}".rstrip()
    if not service.endpoints:
        yield "  no endpoints"
