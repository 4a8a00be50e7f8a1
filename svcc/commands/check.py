"""``svcc check``: report what is wrong with files, for every target."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import click

from svcc.compiler import ir
from svcc.compiler.codes import Code
from svcc.compiler.diagnostic import Diagnostic, Severity, has_errors
from svcc.compiler.load import load
from svcc.compiler.report import printable
from svcc.compiler.suggest import count, one_of
from svcc.exits import Exit
from svcc.help import examples
from svcc.options import TargetName, chosen_format, format_option, quiet_option, tell
from svcc.output import put
from svcc.paths import FilePath
from svcc.targets.capability import check_nodes
from svcc.targets.interface import Target
from svcc.targets.refusals import findings, refusals


@click.command(
    "check", epilog=examples("svcc check svc.dsl", "svcc check --target ipvs --format github services/*.dsl")
)
@click.argument("files", nargs=-1, required=True, type=FilePath(allow_dash=True), metavar="FILE...")
@click.option(
    "-t", "--target", "wanted", type=TargetName(), multiple=True, help="Only for this target (may be repeated)."
)
@format_option
@click.option("--json", "as_json", is_flag=True, help="The same as --format json.")
@quiet_option
def command(files: tuple[str, ...], wanted: tuple[Target, ...], form: str, as_json: bool, quiet: bool) -> None:
    """Report what is wrong with each FILE, and what some target could not express.

    What a target named with --target cannot express is an error. Without --target it is a warning, as long as
    one target can have the whole file. A file without errors is named with what was checked.
    """
    form = chosen_format(form, as_json=as_json)
    checked = [CheckedFile.of(file, wanted) for file in files]
    found = [diagnostic for one in checked for diagnostic in one.found]
    tell(found, form, quiet=quiet, to_stdout=True)
    if form == "text" and not quiet:
        put("".join(f"{one.summary}\n" for one in checked if one.summary))
    if has_errors(found):
        sys.exit(Exit.INPUT)


@dataclass(frozen=True, slots=True)
class CheckedFile:
    """What was found in a file, and a line that says what was checked; "" where the file has errors."""

    found: list[Diagnostic]
    summary: str = ""

    @classmethod
    def of(cls, file: str, wanted: Sequence[Target]) -> CheckedFile:
        """Check a file for the wanted targets; for all targets where none is named. Errors: OSError."""
        loaded = load(file)
        found = list(loaded.diagnostics)
        if loaded.program is None:
            return cls(found)
        refused = refusals(loaded.program, wanted)
        found += findings(refused, lenient=not wanted)
        for target in wanted if len(loaded.program.nodes) > 1 else ():
            found += [replace(d, severity=Severity.WARNING) for d in _without_node(loaded.program, target)]
        found = list(dict.fromkeys(found))
        return cls(found, "" if has_errors(found) else _summary(file, loaded.program, refused))


def _summary(file: str, program: ir.Program, refused: Mapping[str, Sequence[Diagnostic]]) -> str:
    """Return a line like ``svc.dsl: 2 services, 4 endpoints: compiles to iptables and nft, not to ipvs``."""
    parts = [
        count(len(program.services), "service"),
        count(sum(len(service.endpoints) for service in program.services), "endpoint"),
        *([count(len(program.nodes), "node")] if program.nodes else []),
    ]
    able, unable = ([name for name, why in refused.items() if bool(why) is no] for no in (False, True))
    cannot = f", not to {one_of(unable)}" if unable else ""
    name = "standard input" if file == "-" else printable(file)
    return f"{name}: {', '.join(parts)}: compiles to {one_of(able, 'and')}{cannot}"


def _without_node(program: ir.Program, target: Target) -> list[Diagnostic]:
    """Return what commands that compile for one machine find wrong where ``--node`` is left out."""
    return [d for d in check_nodes(program, target, (None,)) if d.code is Code.NODE_NEEDED]
