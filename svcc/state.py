"""The state directory on the command line, and what commands that change the machine have in common."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import click

from svcc.apply.store import Generation, Installation, Store, StoreError
from svcc.compiler.prefix import fault
from svcc.compiler.suggest import one_of
from svcc.exits import Exit

state_option = click.option(
    "--state-dir",
    "store",
    envvar="SVCC_STATE_DIR",
    default="/var/lib/svcc",
    show_default=True,
    type=click.Path(file_okay=False, path_type=Path),
    callback=lambda _ctx, _param, path: Store(path),
    help="Where generations are kept.",
)


def _prefix(_ctx: click.Context, _param: click.Parameter, given: str | None) -> str | None:
    if given is not None and (wrong := fault(given)):
        raise click.BadParameter(f"`{given}` cannot be a prefix: {wrong}")
    return given


prefix_option = click.option(
    "--prefix",
    metavar="PREFIX",
    callback=_prefix,
    help="Of what was applied, where there is more than one prefix.",
)


def need_root() -> None:
    """Rules are root's alone: without, the command ends here."""
    if os.geteuid() != 0:
        fail("rules can be read and changed by root only", Exit.MACHINE)


def fail(message: str, status: Exit) -> NoReturn:
    click.echo(f"svcc: {message}", err=True)
    sys.exit(status)


def pick_installation(store: Store, prefix: str | None) -> Installation:
    """What a command without a file is about. Where that is not one thing, the command ends here."""
    found = {one.name: one for one in store.installations()}
    if prefix is not None:
        if prefix.lower() not in found:
            hint = f"; there is {one_of(list(found))}" if found else ""
            fail(f"nothing with prefix {prefix} was applied here ({store.root}){hint}", Exit.INPUT)
        return found[prefix.lower()]
    if not found:
        fail(f"nothing was applied here yet ({store.root})", Exit.INPUT)
    if len(found) > 1:
        fail(f"several prefixes are applied here: choose one with --prefix: {one_of(list(found))}", Exit.INPUT)
    return next(iter(found.values()))


def pick_generation(
    installation: Installation, number: int | None, earlier: Callable[[Generation], bool]
) -> Generation:
    """Generation ``number``; without a number, the newest that ``earlier`` holds for."""
    if number is not None:
        return installation.generation(number)
    found = next(filter(earlier, installation.generations()), None)
    if found is None:
        raise StoreError("there is no earlier generation to go back to; svcc delete removes everything")
    return found
