"""``svcc plan``: show what an apply would change on this machine."""

from __future__ import annotations

import os
import sys

import click

from svcc.apply.generation import Draft
from svcc.apply.losses import losses
from svcc.apply.planning import EarlyReadings
from svcc.apply.scope import Scope
from svcc.apply.store import Store
from svcc.apply.summary import Summary
from svcc.applying import (
    Cause,
    draft_of,
    explained,
    make_plan,
    need_no_refusals,
    read_early,
    remember,
    still_good,
)
from svcc.exits import Exit
from svcc.guards import refusal, warn_of_doubles, warn_of_generation, warn_of_plan
from svcc.help import examples
from svcc.in_place import in_place
from svcc.kept_program import as_kept
from svcc.options import file_argument, format_option, json_option, loaded_target_option, node_option, quiet_option
from svcc.plan_shown import show_plan
from svcc.review import review
from svcc.state_options import need_root, state_option
from svcc.targets.interface import Target


@click.command("plan", epilog=examples("svcc plan svc.dsl --target nft", "svcc plan svc.dsl --target nft --objects"))
@file_argument
@loaded_target_option
@node_option
@json_option
@click.option("--objects", is_flag=True, help="Show the elements, rules and servers that change, too.")
@click.option("--all", "everything", is_flag=True, help="Show every change, however many there are.")
@state_option
@format_option
@quiet_option
def command(
    file: str,
    target: Target,
    node: str | None,
    as_json: bool,
    objects: bool,
    everything: bool,
    store: Store,
    form: str,
    quiet: bool,
) -> None:
    """Compare this machine with FILE, and say by service what `svcc apply` would do. Changes nothing.

    What was changed by hand is said apart from what FILE changes. Exit status 1 if anything is to do.
    """
    early = read_early(store)
    if _in_place(store, file, target, node, early, as_json=as_json, quiet=quiet):
        return
    from svcc.inputs import read_input  # this imports all of the compiler

    given = read_input(file, target, node, form, quiet=quiet)
    need_root()
    draft = draft_of(given, store, node)
    installation = store.installation(draft.scope.table)
    with explained(Cause(draft.summary, given.program, file)):
        with store.reading() as stamp:
            draft = draft_of(as_kept(given, target, node, installation), store, node)
            plan = make_plan(store, installation, draft, early=early)
            reviewed = review(plan, installation, draft)
            if why := refusal(losses(plan, lambda: reviewed.before, draft)):
                click.echo(f"svcc: {why}: `svcc apply` refuses that without --allow-empty", err=True)
            warn_of_doubles(installation, draft.summary)
            show_plan(reviewed, installation, as_json=as_json, objects=objects, everything=everything)
            if not (quiet or plan.refusals):
                warn_of_plan(plan, installation, draft)
        if reviewed.empty:
            remember(store, stamp, installation, plan, draft)
    need_no_refusals(plan, "apply")
    if not reviewed.empty:
        sys.exit(Exit.DIFFERENT)


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
    """Whether FILE is in place already; then say so, and warn of what the machine has against it."""
    if os.geteuid() != 0:
        return False
    with explained(Cause(file=file)):
        with store.reading() as stamp:
            known = in_place(store, file, target.name, node, still_good(store, early))
            if known is None:
                return False
            draft = Draft(None, Scope(known.generation.prefix), Summary(), file)
            show_plan(review(known.plan, known.installation, draft), known.installation, as_json=as_json)
            warn_of_generation(known.installation, known.generation, quiet=quiet)
        if known.draft is not None:
            remember(store, stamp, known.installation, known.plan, known.draft)
    return True
