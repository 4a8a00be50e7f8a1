"""The option for the state directory, and what commands that change the machine have in common."""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import click

from svcc import completion
from svcc.apply.generation import Generation
from svcc.apply.installation import Installation
from svcc.apply.store import Store
from svcc.compiler.prefix import fault
from svcc.compiler.suggest import one_of
from svcc.exits import Exit
from svcc.kernel.rights import Capability, has_capability
from svcc.paths import FilePath

_Command = TypeVar("_Command", bound=Callable[..., Any])

state_option = click.option(
    "--state-dir",
    "store",
    envvar="SVCC_STATE_DIR",
    default="/var/lib/svcc",
    show_default=True,
    type=FilePath(file_okay=False, readable=False, path_type=Path),  # commands that read it say what they need
    callback=lambda _ctx, _param, path: Store(path),
    help="Where generations are kept.",
)


def checked_prefix(_ctx: click.Context, _param: click.Parameter, given: str | None) -> str | None:
    """Check an option's value, which has to be a possible prefix: a callback for click. Errors: BadParameter."""
    if given is not None and (wrong := fault(given)):
        raise click.BadParameter(f"`{given}` cannot be a prefix: {wrong}")
    return given


prefix_option = click.option(
    "--prefix",
    metavar="PREFIX",
    callback=checked_prefix,
    shell_complete=completion.prefixes,
    help="The prefix to work on, where several are applied here.",
)
all_option = click.option("--all", "every", is_flag=True, help="Do so for every prefix that is applied here.")


def drain_option(what: str) -> Callable[[_Command], _Command]:
    """Return the option for how long connections to removed endpoints may go on. ``what``: these, in its help."""
    from svcc.apply.drain import PATIENCE  # commands that only read need not import its module

    return click.option(
        "--drain",
        "patience",
        type=click.IntRange(0),
        metavar="SECONDS",
        default=int(PATIENCE),
        show_default=True,
        help=f"On ipvs: how long connections to {what} may go on.",
    )


def need_root() -> None:
    """End the command unless this process is root's and has CAP_NET_ADMIN, which a container or unit may withhold."""
    if os.geteuid() != 0:
        fail("rules can be read and changed by root only", Exit.MACHINE)
    if not has_capability(Capability.NET_ADMIN):
        fail(
            "rules can be read and changed with CAP_NET_ADMIN only, which this container or unit lacks "
            "(of a container: --cap-add NET_ADMIN)",
            Exit.MACHINE,
        )


#: Libraries that only the agent needs.
_NEEDS = ("aiohttp", "prometheus_client")


def need_agent() -> None:
    """End the command unless the agent's libraries are installed."""
    need("the agent", *_NEEDS)


def need(what: str, *libraries: str) -> None:
    """End the command unless the libraries are installed that ``what`` needs, and other commands do not."""
    if lacking := [name for name in libraries if importlib.util.find_spec(name) is None]:
        fail(f"{what} needs {' and '.join(lacking)}: pip install 'svcc[agent]'", Exit.MACHINE)


def fail(message: str, status: Exit) -> NoReturn:
    """End the command with a message on standard error."""
    click.echo(f"svcc: {message}", err=True)
    sys.exit(status)


def pick_installation(store: Store, prefix: str | None) -> Installation:
    """Return the installation that a command without a file is about. Where there is none, or several, the command ends
    here."""
    found = {one.name: one for one in store.installations()}
    if prefix is not None:
        if prefix.lower() not in found:
            hint = f"; there is {one_of(list(found))}" if found else ""
            fail(f"nothing with prefix {prefix} was applied here ({store.root}){hint}", Exit.INPUT)
        return found[prefix.lower()]
    if not found:
        fail(f"nothing was applied here yet ({store.root})", Exit.INPUT)
    able = _choices(found.values())
    if len(able) > 1:
        fail(f"several prefixes are applied here: choose one with --prefix: {one_of(able)}", Exit.INPUT)
    return found[able[0]]


def _choices(found: Collection[Installation]) -> list[str]:
    """Return the names of those installations that a command without --prefix may mean."""
    return [one.name for one in found if one.may_have_objects] or [one.name for one in found]


def command_line(installation: Installation, command: str, *words: object) -> str:
    """Return the command line of a command about an installation. It names the prefix where the command would not
    choose it by itself."""
    alone = _choices(Store(installation.path.parent).installations()) == [installation.name]
    prefix = () if alone else ("--prefix", installation.name.upper())
    return " ".join(map(str, ("svcc", command, *prefix, *words)))


def pick_installations(store: Store, prefix: str | None, *, every: bool) -> list[Installation]:
    """Return the installations that a command is about: with ``every`` (--all) each one that holds anything, by
    name."""
    if every and prefix is not None:
        raise click.UsageError("--all and --prefix: choose one")
    if every:
        return [one for one in store.installations() if one.may_have_objects]
    return [pick_installation(store, prefix)]


def _is_another(installation: Installation, one: Generation, other: Generation) -> bool:
    """Whether two generations differ, at least in the names of their services."""
    if one.base is None and other.base is None and one.hash != other.hash:
        return True
    programs = installation.program(one), installation.program(other)
    if None in programs:
        return one.hash != other.hash
    return len({found.text for found in programs if found}) > 1


def named_generation(installation: Installation, number: int) -> Generation:
    """Return the generation that the command line names. Where there is none, the command ends here. Errors:
    StoreError."""
    if number not in {*installation.numbers()}:
        fail(f"there is no generation {number}", Exit.INPUT)
    return installation.generation(number)


def pick_generation(installation: Installation, number: int | None) -> Generation:
    """Return the generation to go back to: ``number``, or else the newest one before the one in place that differs from
    it.

    Generations that were never confirmed are left out. Where there is none, the command ends here. Errors: StoreError.
    """
    unconfirmed = installation.unconfirmed
    if number is not None:
        named = named_generation(installation, number)
        if named.reviewed in unconfirmed:
            fail(f"generation {number} was never confirmed: apply its file again", Exit.INPUT)
        return named
    current = installation.current
    reviewed = current and installation.generation(current.reviewed)
    earlier = (
        one for one in installation.generations() if reviewed and one.number < reviewed.number and one.of is None
    )
    for one in earlier:
        if reviewed and one.number not in unconfirmed and _is_another(installation, one, reviewed):
            return one
    fail("there is no earlier generation to go back to; svcc delete removes everything", Exit.INPUT)
