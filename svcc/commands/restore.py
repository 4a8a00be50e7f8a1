"""``svcc restore``: put the current generation back into the kernel, after a restart of the machine."""

from __future__ import annotations

import click

from svcc.apply import confirm, engine
from svcc.apply.store import Installation, Store
from svcc.applying import Cause, carry_out, explained, settled
from svcc.state import need_root, prefix_option, state_option


@click.command("restore")
@prefix_option
@state_option
@click.option("-q", "--quiet", is_flag=True, help="Print no progress.")
def command(prefix: str | None, store: Store, quiet: bool) -> None:
    """Put what was applied last back into the kernel: for the start of the machine.

    What still waited for its confirmation when the machine went down is not put back, but what was there before it.
    """
    need_root()
    found = [one for one in store.installations() if prefix is None or one.name == prefix.lower()]
    with explained(Cause()), store.locked():
        for installation in found:
            settled(installation)
            _restore(installation, quiet=quiet)
    if not found:
        click.echo("Nothing to do: nothing was applied here.")


def _restore(installation: Installation, *, quiet: bool) -> None:
    current = installation.current
    if current is None:
        return
    draft = confirm.earlier(installation, current.number, current.note)
    plan = engine.make_plan(installation, draft)
    if plan.empty:
        click.echo(f"{current.prefix}: generation {current.number} is in place.")
        return
    with explained(Cause(draft.summary)):
        number = carry_out(plan, installation, draft, quiet=quiet)
    click.echo(f"{current.prefix}: generation {current.number} is in place again, as generation {number}.")
