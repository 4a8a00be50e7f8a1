"""``svcc init``: write a first program for this machine."""

from __future__ import annotations

import os
import sys
from errno import EEXIST

import click

from svcc.apply.survey import survey
from svcc.exits import Exit
from svcc.first_program import first_program
from svcc.help import examples
from svcc.output import put
from svcc.paths import FilePath
from svcc.targets import targets


@click.command("init", epilog=examples("svcc init", "svcc init -o services.dsl"))
@click.option(
    "-o",
    "--output",
    "file",
    metavar="FILE",
    default="svcc.dsl",
    show_default=True,
    type=FilePath(dir_okay=False, allow_dash=True),
    help="Where to write it; - is standard output.",
)
def command(file: str) -> None:
    """Write a first program for this machine, with comments that say how to go on.

    It asks nothing. It looks at the machine's addresses, tools and networks of pods, and changes nothing. A FILE that
    exists is never overwritten.
    """
    text = first_program(survey(targets().values()), "svcc.dsl" if file == "-" else file)
    if file == "-":
        put(text)
        return
    try:
        handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
        with open(handle, "w", encoding="utf-8") as written:
            written.write(text)
    except OSError as error:
        hint = ": -o FILE chooses another" if error.errno == EEXIST else ""
        click.echo(f"svcc: cannot write {file}: {error.strerror}{hint}", err=True)
        sys.exit(Exit.INPUT if error.errno == EEXIST else Exit.MACHINE)
    click.echo(f"{file} is written. Its first lines say how to go on.", err=True)
