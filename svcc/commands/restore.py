"""``svcc restore``: put the current generation back into the kernel, after a restart of the machine."""

from __future__ import annotations

from dataclasses import replace

import click

from svcc.apply import confirm, planning
from svcc.apply.generation import Generation
from svcc.apply.installation import Installation
from svcc.apply.store import Store
from svcc.applying import Cause, carry_out, explained, settle
from svcc.guards import warn_of_taken_addresses
from svcc.help import examples
from svcc.options import json_option
from svcc.outcome import each_said, number_before, outcome
from svcc.state_options import need_root, prefix_option, state_option


@click.command("restore", epilog=examples("svcc restore"))
@prefix_option
@json_option
@state_option
@click.option("-q", "--quiet", is_flag=True, help="Print no progress.")
def command(prefix: str | None, as_json: bool, store: Store, quiet: bool) -> None:
    """Put what was applied last back into the kernel: for the start of the machine.

    Where an apply still waited for its confirmation when the machine went down, the generation before it is put back.
    """
    need_root()
    found = [one for one in store.installations() if prefix is None or one.name == prefix.lower()]
    with each_said(as_json=as_json) as done, explained(Cause()), store.locked():
        for installation in found:
            before = number_before(installation)
            settle(installation)
            current = installation.current
            if current is not None:
                said = _restore(installation, current, quiet=quiet)
                done(installation.name, said, outcome(installation, before, again=current.number))
    if not found and not as_json:
        click.echo("Nothing to do: nothing was applied here.")


def _restore(installation: Installation, current: Generation, *, quiet: bool) -> str:
    """Put a generation back into the kernel; return what was done."""
    draft = replace(confirm.earlier(installation, current.number, "restore"), of=current.reviewed)
    plan = planning.make_plan(installation, draft, again=True)
    warn_of_taken_addresses(installation, current)
    if plan.empty:
        return f"{current.prefix}: generation {current.reviewed} is in place."
    with explained(Cause(draft.summary)):
        carry_out(plan, installation, draft, quiet=quiet, again=True)
    return f"{current.prefix}: generation {current.reviewed} is in place again."
