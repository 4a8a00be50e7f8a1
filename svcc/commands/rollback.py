"""``svcc rollback``: go back to an earlier generation."""

from __future__ import annotations

from dataclasses import replace

import click

from svcc import completion, signals
from svcc.apply import confirm
from svcc.apply.confirm import Pending, earlier
from svcc.apply.installation import Installation
from svcc.apply.store import Store
from svcc.applying import Cause, carry_out, explained, make_plan, settle
from svcc.exits import Exit
from svcc.guards import Consent, consent_options, guard
from svcc.help import examples
from svcc.options import json_option
from svcc.outcome import number_before, outcome, put_done
from svcc.state_options import (
    command_line,
    fail,
    need_root,
    pick_generation,
    pick_installation,
    prefix_option,
    state_option,
)


@click.command("rollback", epilog=examples("svcc rollback", "svcc rollback 3"))
@click.argument("generation", type=click.IntRange(1), required=False, shell_complete=completion.generations)
@prefix_option
@state_option
@consent_options
@json_option
@click.option("-q", "--quiet", is_flag=True, help="Print no progress.")
def command(
    generation: int | None,
    prefix: str | None,
    store: Store,
    allow_empty: bool,
    yes: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Go back to GENERATION (see `svcc history`), or to the one before the one in place.

    While an apply waits for its confirmation, that is the one before it. A generation that was never confirmed is none
    to go back to.
    """
    need_root()
    installation = pick_installation(store, prefix)
    with explained(Cause()), store.locked():
        before = number_before(installation)
        unconfirmed = Pending.read(installation)
        settle(installation)
        if unconfirmed is not None and Pending.read(installation) is None:
            _say("", installation, before, unconfirmed.before, as_json=as_json)
            return
        current = installation.current
        if unconfirmed is not None and generation is None:
            with signals.held_off(leave=False):
                said = confirm.put_back(installation, unconfirmed)
            _say(said, installation, before, unconfirmed.before, as_json=as_json)
            return
        if unconfirmed is not None and current is not None and generation in (current.number, current.reviewed):
            keep = command_line(installation, "confirm")
            fail(f"generation {generation} is in place, and waits for `{keep}`", Exit.INPUT)
        wanted = pick_generation(installation, generation)
        draft = earlier(installation, wanted.number, f"rollback to {wanted.number}")
        draft = replace(draft, undoes=confirm.waiting(installation))
        plan = make_plan(store, installation, draft)
        if current is not None and wanted.number == current.number and plan.empty:
            said = f"Nothing to do: generation {wanted.number} is in place."
            _say(said, installation, before, wanted.number, as_json=as_json)
            return
        guard(plan, installation, draft, Consent(allow_empty, yes))
        with explained(Cause(draft.summary)), signals.held_off(leave=False):
            number = carry_out(plan, installation, draft, quiet=quiet)
            confirm.disarm(installation)
        said = f"Generation {wanted.number} is in place again, as generation {number}."
        _say(said, installation, before, wanted.number, as_json=as_json)


def _say(words: str, installation: Installation, before: int | None, again: int | None, *, as_json: bool) -> None:
    """Print the result. ``words``: "" where they were printed before. ``again``: the number of the generation whose
    rules are back, as in the schema."""
    put_done(words, outcome(installation, before, again=again), as_json=as_json)
