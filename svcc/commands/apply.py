"""``svcc apply``: make the kernel match a program, all of it or nothing."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Any, TypeAlias

import click

from svcc import signals
from svcc.apply import confirm, engine
from svcc.apply.confirm import Pending
from svcc.apply.execution_plan import ExecutionPlan
from svcc.apply.generation import Draft, Generation
from svcc.apply.installation import Installation
from svcc.apply.planning import EarlyReadings
from svcc.apply.store import Store
from svcc.applying import (
    Cause,
    carry_out,
    draft_of,
    explained,
    make_plan,
    need_no_foreign,
    read_early,
    settle,
    still_good,
)
from svcc.compiler.suggest import count
from svcc.exits import Exit
from svcc.guards import (
    Consent,
    consent_options,
    guard,
    warn_of_doubles,
    warn_of_generation,
    warn_of_obstructions,
    warn_of_own_ports,
    warn_of_plan,
    warn_of_taken_addresses,
)
from svcc.help import examples
from svcc.in_place import in_place
from svcc.options import file_argument, format_option, json_option, loaded_target_option, node_option
from svcc.outcome import outcome, put_done
from svcc.progress import Progress
from svcc.state_options import command_line, drain_option, fail, need_root, state_option
from svcc.targets.interface import Target

#: What was done, as text and as JSON.
_Said: TypeAlias = tuple[str, dict[str, Any]]


@click.command(
    "apply",
    epilog=examples(
        "svcc apply svc.dsl --target nft",
        "svcc apply svc.dsl --target nft --confirm 60",
        "svcc compile svc.dsl -t nft > rules && svcc apply rules -t nft",
    ),
)
@file_argument
@loaded_target_option
@node_option
@click.option(
    "--confirm",
    "seconds",
    type=click.IntRange(1, 86_400),
    metavar="SECONDS",
    help="Go back after SECONDS unless `svcc confirm` is called.",
)
@drain_option("removed endpoints")
@click.option("--dry-run", is_flag=True, help="Plan, and let the tools check every step; change nothing.")
@consent_options
@json_option
@state_option
@format_option
@click.option("-q", "--quiet", is_flag=True, help="Print no warnings and no progress.")
def command(
    file: str,
    target: Target,
    node: str | None,
    seconds: int | None,
    patience: int,
    dry_run: bool,
    allow_empty: bool,
    yes: bool,
    as_json: bool,
    store: Store,
    form: str,
    quiet: bool,
) -> None:
    """Make this machine's kernel match FILE: all of it or nothing.

    FILE is a program, its IR as JSON, or a compiled bundle. What is ours and not in FILE is removed; nothing else is
    touched. A FILE without services is refused where some are served.

    Exit status 4: it failed and everything was put back; 5: something could not be put back.
    """
    early = read_early(store)
    if not dry_run and _in_place(store, file, target, node, early, as_json=as_json, quiet=quiet):
        return
    from svcc.inputs import read_input  # this imports all of the compiler

    given = read_input(file, target, node, form, quiet=quiet)
    need_root()
    draft = draft_of(given, store, node)
    installation = store.installation(draft.scope.table)
    with explained(Cause(draft.summary, given.program, file)):
        consent = Consent(allow_empty, yes or dry_run)
        if dry_run:
            with store.reading():
                plan = make_plan(store, installation, draft, patience, early)
                need_no_foreign(plan)
                guard(plan, installation, draft, consent)
                warn_of_doubles(installation, draft.summary)
                _try(plan, installation, draft, as_json=as_json)
                if not quiet:
                    warn_of_plan(plan, installation, draft)
            return
        with store.locked():
            settle(installation)
            _need_confirmed(installation)
            plan = make_plan(store, installation, draft, patience, early)
            need_no_foreign(plan)
            guard(plan, installation, draft, consent)
            warn_of_doubles(installation, draft.summary)
            if not quiet:
                warn_of_own_ports(draft.summary, draft.scope)
            with signals.held_off(leave=False):
                said, document = _apply(store, installation, plan, draft, seconds, quiet=quiet)
            put_done(said, document, as_json=as_json)


def _need_confirmed(installation: Installation) -> None:
    """End the command where the last apply still waits to be confirmed."""
    pending = Pending.read(installation)
    if pending is None:
        return
    keep, back = (command_line(installation, command) for command in ("confirm", "rollback"))
    if pending.over:
        why = f"was not confirmed in time, and could not be undone: `{keep}` keeps it, `{back}` tries again"
    else:
        why = f"is not confirmed: run `{keep}` or `{back}` within {pending.seconds_left:.0f} s"
    fail(f"the last apply {why}", Exit.MACHINE)


def _in_place(
    store: Store,
    file: str,
    target: Target,
    node: str | None,
    early: EarlyReadings | None,
    *,
    as_json: bool,
    quiet: bool,
) -> bool:
    """Whether FILE is in place already; then say so, and warn as when it came there. It is not where an apply has to be
    finished, undone or confirmed first."""
    if os.geteuid() != 0:
        return False
    with explained(Cause(file=file)), store.reading():
        known = in_place(store, file, target.name, node, still_good(store, early))
    if known is None:
        return False
    installation, generation = known.installation, known.generation
    with explained(Cause(file=file)), store.locked():
        waits = installation.journal.exists() or Pending.read(installation) is not None
        if waits or installation.number != generation.number:
            return False
        if known.draft is not None:
            with signals.held_off(leave=False):
                engine.note_findings(known.plan, installation, known.draft)
        said, document = _nothing(installation, generation)
        warn_of_generation(installation, generation, quiet=quiet)
    put_done(said, document, as_json=as_json)
    return True


def _nothing(installation: Installation, generation: Generation) -> _Said:
    said = f"Nothing to do: generation {generation.reviewed} is in place."
    return said, outcome(installation, generation.number, objects=0, steps=0, unconfirmed=None)


def _try(plan: ExecutionPlan, installation: Installation, draft: Draft, *, as_json: bool) -> None:
    from svcc.plan_shown import show_plan  # these import all that compares programs
    from svcc.review import review

    engine.check(plan, Progress(quiet=True))
    show_plan(review(plan, installation, draft), installation, as_json=as_json)
    if not (plan.empty or as_json):
        click.echo("Every step that can be checked without taking it was checked; nothing was changed.")


def _is_again(installation: Installation, current: Generation, draft: Draft, plan: ExecutionPlan) -> bool:
    """Whether the generation in place is of the draft as it is. Errors: StoreError."""
    if plan.changes_services or not (plan.empty or installation.is_bundle_of(current, draft)):
        return False
    from svcc.apply.served import is_recorded  # this imports all that compares programs

    return is_recorded(installation, current, draft)


def _warn(plan: ExecutionPlan, installation: Installation, draft: Draft, *, quiet: bool) -> None:
    """Warn of what the machine has against what is in place now."""
    if not quiet:
        if plan.empty:
            warn_of_taken_addresses(installation, installation.current)
        warn_of_obstructions(draft.target, draft.summary, draft.scope)


def _apply(
    store: Store, installation: Installation, plan: ExecutionPlan, draft: Draft, seconds: int | None, *, quiet: bool
) -> _Said:
    current = installation.current
    whole = installation.instead is None
    again = current is not None and whole and _is_again(installation, current, draft, plan)
    if current is not None and again and plan.empty and not plan.forgotten_routes:
        engine.note_findings(plan, installation, draft)
        _warn(plan, installation, draft, quiet=quiet)
        return _nothing(installation, current)
    if current is not None and again and seconds is None:  # others changed the kernel; going back is to another file
        draft = replace(draft, of=current.reviewed)
    with confirm.armed(store, installation, seconds):
        number = carry_out(plan, installation, draft, quiet=quiet)
    _warn(plan, installation, draft, quiet=quiet)
    changed = f"{count(len(plan.changes), 'change')} in {count(len(plan.steps), 'step')}"
    place = f"{number} is in place" if draft.of is None else f"{draft.of} is in place again"
    said = f"Generation {place}: {changed if plan.changes else 'it was there already'}."
    if seconds is not None:
        keep = command_line(installation, "confirm")
        said += f"\nIt will be undone in {count(seconds, 'second')}, unless you confirm it: {keep}"
    return said, outcome(
        installation,
        current.number if current else None,
        objects=len(plan.changes),
        steps=len(plan.steps),
        unconfirmed=None if seconds is None else {"seconds": seconds},
    )
