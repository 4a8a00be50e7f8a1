"""``svcc restore``: put the current generation back into the kernel, after a restart of the machine."""

from __future__ import annotations

import sys
from contextlib import suppress
from dataclasses import dataclass, replace

import click

from svcc import signals
from svcc.apply import confirm, planning
from svcc.apply.generation import Generation
from svcc.apply.installation import Installation
from svcc.apply.state_files import StoreError
from svcc.apply.store import Store
from svcc.applying import Cause, carry_out_again, explained, settle
from svcc.exits import Exit
from svcc.guards import warn_of_taken_addresses
from svcc.help import examples
from svcc.options import json_option
from svcc.outcome import each_said, number_before, outcome
from svcc.state_options import fail, need_root, prefix_option, state_option


@click.command("restore", epilog=examples("svcc restore"))
@prefix_option
@json_option
@state_option
@click.option("-q", "--quiet", is_flag=True, help="Print no progress.")
def command(prefix: str | None, as_json: bool, store: Store, quiet: bool) -> None:
    """Put what was applied last back into the kernel: for the start of the machine.

    Where an apply still waited for its confirmation when the machine went down, the generation before it is put back.
    Each prefix is put back that can be, also where nothing can be written. The exit status is that of the worst.
    """
    need_root()
    found = [one for one in store.installations() if prefix is None or one.name == prefix.lower()]
    worst, bugs = 0, list[Exception]()
    with each_said(as_json=as_json) as done, explained(Cause()), store.locked():
        for installation in found:
            before = number_before(installation)
            try:
                ended = _ended(installation, quiet=quiet)
            except BrokenPipeError:
                raise
            except Exception as error:  # noqa: BLE001 - what is wrong with one prefix keeps no other from its rules
                bugs.append(error)
                continue
            if ended is not None:
                document = outcome(installation, before, again=ended.again, failed=ended.status or None)
                done(installation.name, ended.words, document)
                worst = max(worst, ended.status)
    if bugs:
        raise bugs[0]
    if not found and not as_json:
        click.echo("Nothing to do: nothing was applied here.")
    if worst:
        sys.exit(worst)


@dataclass(frozen=True)
class _Ended:
    """How it ended for an installation."""

    words: str
    again: int | None  # the number of the generation that is in place; None: none is known to be
    status: int = Exit.DONE


def _ended(installation: Installation, *, quiet: bool) -> _Ended | None:
    """Put an installation back, and say how that ended; None where there is nothing to put back. What went wrong is
    printed."""
    try:
        with explained(Cause()):
            return _put_back(installation, quiet=quiet)
    except SystemExit as end:
        if signals.noted_signal() is not None:
            raise
        what = "what was applied last"
        with suppress(StoreError):
            if (current := installation.current) is not None:
                what = f"generation {current.reviewed}"
        return _Ended(f"{installation.name.upper()}: {what} is not in place.", None, int(end.code or 0))


def _put_back(installation: Installation, *, quiet: bool) -> _Ended | None:
    try:
        settle(installation)
        number = installation.number
    except OSError as error:  # it could not be recorded
        _warn_of_no_record(installation, error)
        number = confirm.due(installation)
    instead = installation.instead
    if number is None and instead is not None:
        fail(f"{installation.name.upper()}: the files of {instead.lost} cannot be read; {_REMEDY}", Exit.MACHINE)
    if number is None:
        return None
    ended = _restore(installation, installation.generation(number), quiet=quiet)
    if instead is None or not instead.lost:
        return ended
    return replace(ended, words=f"{ended.words} It is older than {instead.lost}: {_REMEDY}.", status=Exit.MACHINE)


_REMEDY = "run `svcc apply` with what is to be served"


def _restore(installation: Installation, wanted: Generation, *, quiet: bool) -> _Ended:
    """Put a generation back into the kernel. Errors: as of :func:`carry_out_again`."""
    draft = replace(confirm.earlier(installation, wanted.number, "restore"), of=wanted.reviewed)
    plan = planning.make_plan(installation, draft, again=True)
    warn_of_taken_addresses(installation, wanted)
    place = f"{wanted.prefix}: generation {wanted.reviewed} is in place"
    if plan.empty and installation.instead is None:
        return _Ended(f"{place}.", wanted.number)
    with explained(Cause(draft.summary)):
        unrecorded = carry_out_again(plan, installation, draft, quiet=quiet)
    if unrecorded is not None:
        _warn_of_no_record(installation, unrecorded)
    return _Ended(f"{place} again.", wanted.number)


def _warn_of_no_record(installation: Installation, error: OSError) -> None:
    name = f"{error.filename}: " if error.filename else ""
    why = f"{name}{error.strerror or error}"
    click.echo(f"svcc: warning: {installation.name.upper()}: nothing can be recorded: {why}", err=True)
