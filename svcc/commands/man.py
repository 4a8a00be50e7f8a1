"""``svcc man``: print the manual pages."""

from __future__ import annotations

import click

from svcc import __version__
from svcc.compiler.suggest import did_you_mean
from svcc.help import examples
from svcc.output import put


@click.command("man", epilog=examples("svcc man | man -l -", "svcc man fleet history | man -l -"))
@click.argument("words", nargs=-1, metavar="[COMMAND]...")
def command(words: tuple[str, ...]) -> None:
    """Print the manual page of svcc, or of a command of it, as man(1) reads it."""
    from svcc.man_pages import pages  # imports every command

    every = pages(__version__)
    name = "-".join(words) or "svcc"
    page = every.get(name) or every.get(f"svcc-{name}")  # pages refer to each other by their own names
    if page is None:
        known = [page.removeprefix("svcc-").replace("-", " ") for page in every]
        hint = did_you_mean(" ".join(words), known) or "svcc --help lists them"
        raise click.UsageError(f"there is no command `{' '.join(words)}`: {hint}")
    put(page)
