"""Check programs that callers from Python made: these may hold what no reader lets pass."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from itertools import pairwise

from svcc.compiler import ir
from svcc.compiler.checks import check
from svcc.compiler.codes import Code
from svcc.compiler.diagnostic import Diagnostic, has_errors
from svcc.compiler.errors import InputError
from svcc.compiler.ir_from_json import from_json
from svcc.compiler.ir_to_json import to_json
from svcc.compiler.source import Source


def checked_program(program: ir.Program) -> ir.Program:
    """Check a program, unless svcc read it from a file and nothing in it was replaced since. Return it in the IR's
    order.

    Errors: InputError where something in it is wrong; ValueError where it is no program, or where a value has another
    type than the IR's.
    """
    if not isinstance(program, ir.Program):
        raise ValueError(f"{program!r:.60} is no program; svcc.load reads one from a file")
    if program.checked:
        return program
    check_services(program, program.services)
    found = replace(
        program,
        nodes=tuple(sorted(program.nodes, key=_name)),
        services=tuple(sorted(program.services, key=_name)),
        balancers=tuple(sorted(program.balancers, key=_name)),
    )
    findings = [*_doubles(found.services), *check(found)]
    if has_errors(findings):
        raise InputError(findings)
    return found


def check_services(program: ir.Program, services: Collection[ir.Service]) -> None:
    """Check the values of services, and of what a program has beside its services: the reader of the IR's JSON has to
    give back the same. Services that were checked before are left out. Errors: those of :func:`checked_program`.
    """
    for one in services:
        if not isinstance(one, ir.Service):
            raise ValueError(f"{one!r:.60} is no service")
    made = replace(program, services=tuple(one for one in services if not one.checked))
    try:
        text = json.dumps(to_json(made), indent=1)
    except (AttributeError, TypeError) as error:
        raise ValueError(f"the program has a value of a wrong type: {error}") from error
    read, findings = from_json(Source("the program", text))
    if read is None or has_errors(findings):
        raise InputError(findings)
    if (wrong := _first_difference(read, made)) is not None:
        raise ValueError(f"{wrong} has a value of a wrong type")


def _first_difference(read: ir.Program, made: ir.Program) -> str | None:
    """Name what differs between a program as its JSON was read, and as it was made; None where nothing does."""
    if read.cluster != made.cluster:
        return "the cluster"
    for what, ours, theirs in (
        ("node", read.nodes, made.nodes),
        ("service", read.services, made.services),
        ("balancer", read.balancers, made.balancers),
    ):
        known = {one.name: one for one in ours}
        for one in theirs:
            if known.get(one.name) != one:
                return f"{what} {one.name}"
    return None


def _doubles(services: Sequence[ir.Service]) -> Iterator[Diagnostic]:
    """Yield an error for each service, of some in order, that has the name of the one before it."""
    for one, other in pairwise(services):
        if one.name == other.name:
            yield Diagnostic(Code.DUPLICATE, f"service `{other.name}` is declared twice", other.span)


def _name(one: ir.Node | ir.Service | ir.Balancer) -> str:
    return one.name
