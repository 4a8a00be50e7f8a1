"""``svcc rollback``: go back to an earlier generation."""

from __future__ import annotations

import click

from svcc.apply import confirm
from svcc.apply.confirm import Pending, earlier
from svcc.apply.store import Store
from svcc.applying import Cause, carry_out, explained, make_plan, settled
from svcc.state import need_root, pick_generation, pick_installation, prefix_option, state_option


@click.command("rollback")
@click.argument("generation", type=click.IntRange(1), required=False)
@prefix_option
@state_option
@click.option("-q", "--quiet", is_flag=True, help="Print no progress.")
def command(generation: int | None, prefix: str | None, store: Store, quiet: bool) -> None:
    """Go back to GENERATION (see `svcc history`), or to the one before the current one."""
    need_root()
    installation = pick_installation(store, prefix)
    with explained(Cause()), store.locked():
        unconfirmed = Pending.read(installation)
        settled(installation)
        if unconfirmed is not None and Pending.read(installation) is None:
            return
        current = installation.number or 0
        if unconfirmed is not None and generation is None:
            click.echo(confirm.put_back(installation, unconfirmed))
            return
        wanted = pick_generation(installation, generation, lambda one: one.number < current)
        draft = earlier(installation, wanted.number, f"rollback to {wanted.number}")
        plan = make_plan(store, installation, draft)
        with explained(Cause(draft.summary)):
            number = carry_out(plan, installation, draft, quiet=quiet)
        confirm.disarm(installation)
        click.echo(f"Generation {wanted.number} is in place again, as generation {number}.")
