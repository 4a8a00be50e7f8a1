"""``svcc compile``: compile a file to a target's rules."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from svcc import completion
from svcc.compiler.suggest import did_you_mean, one_of
from svcc.exits import Exit
from svcc.help import examples
from svcc.inputs import compile_file
from svcc.line_diff import line_diff
from svcc.options import file_argument, format_option, node_option, quiet_option, target_option
from svcc.output import as_text, put, put_json
from svcc.paths import FilePath, need_no_input
from svcc.state_options import fail
from svcc.targets.bundle import printed
from svcc.targets.folder import ComparedFile, ForeignFile, compared, write_folder
from svcc.targets.interface import Bundle, Target


@click.command(
    "compile",
    epilog=examples(
        "svcc compile svc.dsl --target nft",
        "svcc compile svc.dsl --target ipvs --node node-a -o rules/",
        "svcc compile svc.dsl --target ipvs --node node-a --check rules/",
    ),
)
@file_argument
@target_option
@node_option
@click.option("-p", "--part", metavar="PART", shell_complete=completion.parts, help="Print only this part.")
@click.option(
    "-o", "--output", metavar="DIR", type=FilePath(file_okay=False, path_type=Path), help="Write a file per part."
)
@click.option(
    "--check", metavar="DIR", type=FilePath(file_okay=False, path_type=Path), help="Compare with the files in DIR."
)
@click.option("--json", "as_json", is_flag=True, help="With --check: print JSON.")
@click.option("--syntax", metavar="NAME", help="On nft: json, or nft for nft's own language.")
@format_option
@quiet_option
def command(
    file: str,
    target: Target,
    node: str | None,
    part: str | None,
    output: Path | None,
    check: Path | None,
    as_json: bool,
    syntax: str | None,
    form: str,
    quiet: bool,
) -> None:
    """Compile FILE (- is standard input) and print the rules."""
    if (output is not None) + (check is not None) + (part is not None) > 1:
        raise click.UsageError("give one of --part, --output and --check")
    if part is not None and part not in (names := [p.name for p in target.parts]):
        raise click.UsageError(f"target {target.name} has no part `{part}`: it has {', '.join(names)}")
    if as_json and check is None:
        raise click.UsageError("--json is for --check: what is compiled has a language of its own")
    _check_syntax(target, syntax)
    if output is not None:
        for one in (*target.parts, *target.syntaxes.values()):
            need_no_input("--output", output / one.file, [file])
    bundle = compile_file(file, target, node, form, quiet=quiet).bundle
    if syntax is not None:
        bundle = target.in_syntax(bundle, syntax)
    if check is not None:
        _compare(bundle, check, as_json=as_json)
    elif output is not None:
        _write(bundle, output)
    elif part is not None:
        artifact = bundle.artifact(part)
        put(artifact.text if artifact else "")
    else:
        put(printed(target, bundle))


def _check_syntax(target: Target, syntax: str | None) -> None:
    if syntax is None or syntax in target.syntaxes:
        return
    if not target.syntaxes:
        raise click.UsageError(f"--syntax: target {target.name} has one language only")
    names = [*target.syntaxes]
    raise click.UsageError(f"--syntax: no `{syntax}`: {did_you_mean(syntax, names) or f'it is {one_of(names)}'}")


def _write(bundle: Bundle, folder: Path) -> None:
    try:
        done = write_folder(bundle, folder)
    except ForeignFile as error:
        fail(f"nothing was written: {error}", Exit.INPUT)
    except OSError as error:
        fail(f"cannot write {error.filename}: {error.strerror}", Exit.MACHINE)
    for path in done.written:
        click.echo(path, err=True)
    for path in done.removed:
        click.echo(f"{path} (removed)", err=True)


def _compare(bundle: Bundle, folder: Path, *, as_json: bool) -> None:
    try:
        parts = [*compared(bundle, folder)]
    except OSError as error:
        click.echo(f"svcc: cannot read {error.filename}: {error.strerror}", err=True)
        sys.exit(Exit.MACHINE)
    differ = any(one.in_folder != one.wanted for one in parts)
    if as_json:
        files = [_as_json(one) for one in parts]
        put_json({"version": 1, "target": bundle.target, "differs": differ, "files": files})
    else:
        put("".join(map(_diff, parts)))
    if differ:
        sys.exit(Exit.DIFFERENT)


def _diff(one: ComparedFile) -> str:
    """Return the difference from a file to what it should be; "" where they are the same."""
    return line_diff(one.in_folder or "", one.wanted or "", str(one.path), f"{one.path} (compiled)")


def _as_json(one: ComparedFile) -> dict[str, Any]:
    return {"part": one.part.name, "file": str(one.path), "state": _state(one), "diff": as_text(_diff(one))}


def _state(one: ComparedFile) -> str:
    if one.in_folder == one.wanted:
        return "same"
    if one.in_folder is None:
        return "missing"
    return "changed" if one.wanted is not None else "left over"
