"""``svcc fmt``: rewrite programs in the one layout."""

from __future__ import annotations

import os
import sys
from errno import EISDIR
from pathlib import Path
from typing import Any

import click

from svcc.compiler.codes import Code
from svcc.compiler.diagnostic import Diagnostic
from svcc.compiler.files import resolved
from svcc.compiler.fmt import format_source
from svcc.compiler.include import read_text
from svcc.compiler.load import read_file
from svcc.exits import Exit
from svcc.help import examples
from svcc.line_diff import line_diff
from svcc.options import format_option, tell
from svcc.output import put, put_json
from svcc.paths import FilePath
from svcc.rewriting import rewrite


@click.command("fmt", epilog=examples("svcc fmt svc.dsl", "svcc fmt --check --diff services/*.dsl"))
@click.argument("files", nargs=-1, required=True, type=FilePath(allow_dash=True), metavar="FILE...")
@click.option("--check", is_flag=True, help="Write nothing; print the names of files that would change.")
@click.option("--diff", is_flag=True, help="Write nothing; print what would change.")
@click.option("--json", "as_json", is_flag=True, help="With --check or --diff: print JSON.")
@format_option
def command(files: tuple[str, ...], check: bool, diff: bool, as_json: bool, form: str) -> None:
    """Rewrite each FILE in the one layout of programs.

    Words and comments stay as they are. Files that FILE includes are not touched; name them too. Standard input (-) is
    laid out to standard output. With --check or --diff, exit status 1 if anything would change.
    """
    if as_json and not (check or diff):
        raise click.UsageError("--json is for --check and --diff, which answer without writing")
    found: list[Diagnostic] = []
    statuses = [Exit.DONE]
    laid_out: list[dict[str, Any]] = []
    for file in files:
        texts = _texts(file)
        if not isinstance(texts, tuple):
            found += texts
            statuses.append(Exit.INPUT)
        elif as_json:
            laid_out.append(_as_json(file, *texts, diff=diff))
            statuses.append(Exit.DIFFERENT if laid_out[-1]["differs"] else Exit.DONE)
        elif check or diff:
            statuses.append(_compare(file, *texts, diff=diff))
        else:
            statuses.append(_write(file, *texts))
    tell(found, form)
    if as_json and not found:
        put_json({"version": 1, "differs": any(one["differs"] for one in laid_out), "files": laid_out})
    sys.exit(max(statuses))


def _as_json(file: str, before: bytes, after: bytes, *, diff: bool) -> dict[str, Any]:
    return {
        "file": _shown(file),
        "differs": before != after,
        "diff": _difference(file, before, after) if diff else None,
    }


def _texts(file: str) -> tuple[bytes, bytes] | list[Diagnostic]:
    """Return a file's text, and the text that it should have; or what is wrong with the file."""
    if file != "-" and os.path.isdir(file):
        message, hint = f"cannot read {file}: {os.strerror(EISDIR)}", "name its files"
        examples = sorted(path.name for path in Path(file).glob("*.dsl"))
        hint += f": svcc fmt {Path(file)}/*.dsl" if examples else ""
        return [Diagnostic(Code.UNREADABLE, message, hint=hint, file=file)]
    data = read_file(file)
    if isinstance(data, Diagnostic):
        return [data]
    source = read_text(_shown(file), data)
    if isinstance(source, Diagnostic):
        return [source]
    formatted = format_source(source, None if file == "-" else resolved(file))
    return (data, formatted.encode()) if isinstance(formatted, str) else formatted


def _shown(file: str) -> str:
    return "<stdin>" if file == "-" else file


def _compare(file: str, before: bytes, after: bytes, *, diff: bool) -> Exit:
    if before == after:
        return Exit.DONE
    put(_difference(file, before, after) if diff else f"{_shown(file)}\n")
    return Exit.DIFFERENT


def _difference(file: str, before: bytes, after: bytes) -> str:
    name = _shown(file)
    return line_diff(before.decode(), after.decode(), name, f"{name} (svcc fmt)")


def _write(file: str, before: bytes, after: bytes) -> Exit:
    """Rewrite a file that changes, and print its name; print the text of standard input."""
    if file == "-":
        put(after.decode())
    elif before != after:
        try:
            rewrite(file, after)
        except OSError as error:
            click.echo(f"svcc: cannot write {file}: {error.strerror}", err=True)
            return Exit.MACHINE
        click.echo(file, err=True)
    return Exit.DONE
