"""``svcc check``: what is wrong with files, for every target."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace

import click

from svcc.compiler import ir
from svcc.compiler.codes import Code
from svcc.compiler.diagnostic import Diagnostic, Severity, has_errors
from svcc.compiler.load import load
from svcc.exits import Exit
from svcc.options import TargetName, format_option, quiet_option, tell
from svcc.targets import targets
from svcc.targets.capability import check_nodes
from svcc.targets.interface import Target


@click.command("check")
@click.argument("files", nargs=-1, required=True, type=click.Path(allow_dash=True), metavar="FILE...")
@click.option(
    "-t", "--target", "wanted", type=TargetName(), multiple=True, help="Only for this target (may be repeated)."
)
@format_option
@click.option("--json", "as_json", is_flag=True, help="The same as --format json.")
@quiet_option
def command(files: tuple[str, ...], wanted: tuple[Target, ...], form: str, as_json: bool, quiet: bool) -> None:
    """Report what is wrong with each FILE, and what some target could not express.

    What a target named with --target cannot express is an error. Without --target it is a warning, as long as
    one target can have the whole file.
    """
    found: list[Diagnostic] = []
    for file in files:
        found += check_file(file, wanted)
    tell(found, "json" if as_json else form, quiet=quiet, to_stdout=True)
    if has_errors(found):
        sys.exit(Exit.INPUT)


def check_file(file: str, wanted: Sequence[Target]) -> list[Diagnostic]:
    loaded = load(file)
    found = list(loaded.diagnostics)
    if loaded.program is None:
        return found
    refused = {target.name: _refused(loaded.program, target) for target in wanted or _loaded()}
    lenient = not wanted and not all(refused.values())
    for diagnostics in refused.values():
        found += [replace(d, severity=Severity.WARNING) for d in diagnostics] if lenient else diagnostics
    for target in wanted if len(loaded.program.nodes) > 1 else ():
        found += [replace(d, severity=Severity.WARNING) for d in _without_node(loaded.program, target)]
    return list(dict.fromkeys(found))


def refused_by_all(program: ir.Program) -> list[Diagnostic]:
    """What the target that refuses least of the program refuses; nothing, where some target can have all of it."""
    return min((_refused(program, target) for target in _loaded()), key=len)


def _loaded() -> list[Target]:
    return [target for target in targets().values() if target.loads]


def _without_node(program: ir.Program, target: Target) -> list[Diagnostic]:
    """What commands that compile for one machine say where ``--node`` is left out."""
    return [d for d in check_nodes(program, target, (None,)) if d.code is Code.NODE_NEEDED]


def _refused(program: ir.Program, target: Target) -> list[Diagnostic]:
    """Why a target refuses the program on any of its nodes."""
    nodes: Sequence[ir.Node | None] = program.nodes or (None,)
    return check_nodes(program, target, nodes)
