"""``svcc delete``: remove everything of ours, and nothing else."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import click

from svcc import signals
from svcc.apply import confirm, planning
from svcc.apply.confirm import Pending
from svcc.apply.execution_plan import ExecutionPlan
from svcc.apply.generation import Draft, Generation
from svcc.apply.installation import Installation
from svcc.apply.scope import Scope
from svcc.apply.state_files import StoreError
from svcc.apply.store import Store
from svcc.apply.summary import Summary
from svcc.applying import Cause, carry_out, explained, need_no_foreign, need_no_refusals, settle, unfinished_of
from svcc.compiler.suggest import count
from svcc.guards import ask, yes_option
from svcc.health_rows import Health
from svcc.help import examples
from svcc.options import json_option
from svcc.outcome import each_said, number_before, outcome
from svcc.plan_json import plan_json
from svcc.plan_text import plan_text
from svcc.review import review
from svcc.state_options import all_option, command_line, need_root, pick_installations, prefix_option, state_option


@click.command("delete", epilog=examples("svcc delete --dry-run", "svcc delete --prefix CUSTOM --yes"))
@prefix_option
@all_option
@click.option("--dry-run", is_flag=True, help="Only say what would be removed.")
@yes_option
@json_option
@state_option
@click.option("-q", "--quiet", is_flag=True, help="Print no progress.")
def command(
    prefix: str | None, every: bool, dry_run: bool, yes: bool, as_json: bool, store: Store, quiet: bool
) -> None:
    """Remove everything of ours from the kernel: chains, tables, sets, virtual servers, the device; nothing else.

    Sysctls and modules stay as they are: others may have come to rely on them. With --prefix, also what was loaded
    by hand under that prefix. `svcc rollback` brings it back.
    """
    need_root()
    with each_said(as_json=as_json, alone=not every) as done, explained(Cause()):
        found = _subjects(store, prefix, every=every)
        if dry_run:
            with store.reading():
                plans, gone = [], list[str]()
                for installation, scope in found:
                    plan, said, document = _planned(installation, scope, gone, as_json=as_json)
                    gone.append(installation.name)
                    done(installation.name, said, document)
                    plans.append(plan)
            for plan in plans:
                need_no_refusals(plan, "delete")
            return
        with store.locked():
            for installation, scope in found:
                said, document = _delete(installation, scope, yes=yes, quiet=quiet)
                done(installation.name, f"{installation.name.upper()}: {said}" if every else said, document)
            if not found and not as_json:
                click.echo(_NOTHING)


_NOTHING = "Nothing to do: there is nothing of ours."


def _delete(installation: Installation, scope: Scope, *, yes: bool, quiet: bool) -> tuple[str, dict[str, Any]]:
    """Remove what an installation has in the kernel; return what was done, as text and JSON. The store's lock is
    held."""
    before = number_before(installation)
    settle(installation)
    current, pending = installation.current, Pending.read(installation)
    scope = installation.scope(current) if current else scope
    draft = Draft(None, scope, Summary(), "", "delete", undoes=confirm.waiting(installation))
    plan = planning.make_plan(installation, draft)
    need_no_foreign(plan)
    if plan.empty and installation.instead is None and (current is None or current.target is None):
        return _NOTHING, outcome(installation, before, objects=0)
    removed = count(len(plan.changes), "object")
    if not yes:
        ask(review(plan, installation, draft), f"This removes all that prefix {scope.prefix} serves here.")
    with signals.held_off(leave=False):
        carry_out(plan, installation, draft, quiet=quiet)
        confirm.disarm(installation)
    return f"Removed {removed}.{_way_back(installation, current, pending)}", outcome(
        installation, before, objects=len(plan.changes)
    )


def _way_back(installation: Installation, current: Generation | None, pending: Pending | None) -> str:
    """Say how to go back to what was confirmed last; "" where there is nothing that served."""
    last, what = (
        (current, "them") if pending is None else (_recorded(installation, pending.before), "what was before it")
    )
    if last is None or last.target is None:
        return ""
    return f" `{command_line(installation, 'rollback', last.reviewed)}` brings {what} back."


def _recorded(installation: Installation, number: int | None) -> Generation | None:
    return None if number is None or number not in installation.numbers() else installation.generation(number)


def _subjects(store: Store, prefix: str | None, *, every: bool) -> list[tuple[Installation, Scope]]:
    """Return what was applied under the prefix, or each of them; where nothing ever was, an empty installation for what
    may have been loaded by hand."""
    if not every and prefix is not None and prefix.lower() not in {one.name for one in store.installations()}:
        return [(store.installation(prefix.lower()), Scope(prefix))]
    return [(one, _scope(one)) for one in pick_installations(store, prefix, every=every)]


def _scope(installation: Installation) -> Scope:
    try:
        current = installation.current
        return installation.scope(current) if current else Scope(installation.name.upper())
    except StoreError:  # its files are damaged; what is in the kernel is removed all the same
        return Scope(installation.name.upper())


def _planned(
    installation: Installation, scope: Scope, gone: Collection[str], *, as_json: bool
) -> tuple[ExecutionPlan, str, dict[str, Any]]:
    """Return the plan, and what it would remove, as text or as JSON. ``gone``: the names of those removed before."""
    draft = Draft(None, scope, Summary(), "")
    plan = planning.make_plan(installation, draft, gone=gone)
    reviewed, unfinished = review(plan, installation, draft), unfinished_of(installation)
    if as_json:
        return plan, "", plan_json(reviewed, unfinished, Health.read(installation))
    if unfinished:
        click.echo(f"svcc: {unfinished}", err=True)
    return plan, plan_text(reviewed).removesuffix("\n"), {}
