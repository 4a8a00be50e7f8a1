"""``svcc compile``: a file to a target's rules."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from svcc.compiler.diagnostic import Diagnostic
from svcc.compiler.load import load
from svcc.exits import Exit
from svcc.options import (
    file_argument,
    format_option,
    node_option,
    pick_node,
    quiet_option,
    refuse,
    target_option,
    tell,
)
from svcc.output import put
from svcc.targets.bundle import bundle_text
from svcc.targets.capability import check_target
from svcc.targets.folder import folder_differences, write_folder
from svcc.targets.interface import Bundle, Target


@click.command("compile")
@file_argument
@target_option
@node_option
@click.option("-p", "--part", metavar="PART", help="Print this part alone.")
@click.option(
    "-o", "--output", metavar="DIR", type=click.Path(file_okay=False, path_type=Path), help="Write a file per part."
)
@click.option(
    "--check", metavar="DIR", type=click.Path(file_okay=False, path_type=Path), help="Compare with the files in DIR."
)
@format_option
@quiet_option
def command(
    file: str,
    target: Target,
    node: str | None,
    part: str | None,
    output: Path | None,
    check: Path | None,
    form: str,
    quiet: bool,
) -> None:
    """Compile FILE (- is standard input) and print the rules."""
    if (output is not None) + (check is not None) + (part is not None) > 1:
        raise click.UsageError("give one of --part, --output and --check")
    if part is not None and part not in (names := [p.name for p in target.parts]):
        raise click.UsageError(f"target {target.name} has no part `{part}`: it has {', '.join(names)}")
    bundle = compile_bundle(file, target, node, form, quiet=quiet)
    if check is not None:
        _compare(bundle, check)
    elif output is not None:
        _write(bundle, output)
    elif part is not None:
        artifact = bundle.artifact(part)
        put(artifact.text if artifact else "")
    else:
        put(bundle_text(bundle, single=len(target.parts) == 1))


def compile_bundle(file: str, target: Target, node_name: str | None, form: str, *, quiet: bool = False) -> Bundle:
    """The target's bundle for a file; whatever is wrong with the file ends the command."""
    loaded = load(file)
    if loaded.program is None:
        refuse(loaded.diagnostics, form, quiet=quiet)
    node = pick_node(loaded.program, node_name, file)
    refused = [node] if isinstance(node, Diagnostic) else check_target(loaded.program, target, node)
    if isinstance(node, Diagnostic) or refused:
        refuse([*loaded.diagnostics, *refused], form, quiet=quiet)
    tell(loaded.diagnostics, form, quiet=quiet)
    return target.render(loaded.program, node)


def _write(bundle: Bundle, folder: Path) -> None:
    try:
        written = write_folder(bundle, folder)
    except OSError as error:
        click.echo(f"svcc: cannot write {error.filename}: {error.strerror}", err=True)
        sys.exit(Exit.MACHINE)
    for path in written:
        click.echo(path, err=True)


def _compare(bundle: Bundle, folder: Path) -> None:
    try:
        differences = list(folder_differences(bundle, folder))
    except OSError as error:
        click.echo(f"svcc: cannot read {error.filename}: {error.strerror}", err=True)
        sys.exit(Exit.MACHINE)
    if differences:
        put("".join(differences))
        sys.exit(Exit.DIFFERENT)
