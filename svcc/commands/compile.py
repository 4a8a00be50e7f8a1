"""``svcc compile``: a file to a target's rules."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from svcc.compiler.diagnostic import Diagnostic
from svcc.exits import Exit
from svcc.options import (
    file_argument,
    format_option,
    load_program,
    node_option,
    pick_node,
    quiet_option,
    refuse,
    target_option,
)
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
        _print(artifact.text if artifact else "")
    else:
        _print(bundle_text(bundle, single=len(target.parts) == 1))


def compile_bundle(file: str, target: Target, node_name: str | None, form: str, *, quiet: bool = False) -> Bundle:
    """The target's bundle for a file; whatever is wrong with the file ends the command."""
    program = load_program(file, form, quiet=quiet)
    node = pick_node(program, node_name, file)
    if isinstance(node, Diagnostic):
        refuse([node], form)
    refused = check_target(program, target, node)
    if refused:
        refuse(refused, form)
    return target.render(program, node)


def _print(text: str) -> None:
    sys.stdout.buffer.write(text.encode())
    sys.stdout.buffer.flush()


def _write(bundle: Bundle, folder: Path) -> None:
    try:
        written = write_folder(bundle, folder)
    except OSError as error:
        click.echo(f"svcc: cannot write {error.filename}: {error.strerror}", err=True)
        sys.exit(Exit.MACHINE)
    for path in written:
        click.echo(path, err=True)


def _compare(bundle: Bundle, folder: Path) -> None:
    differences = list(folder_differences(bundle, folder))
    if differences:
        _print("".join(differences))
        sys.exit(Exit.DIFFERENT)
