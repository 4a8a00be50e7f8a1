"""``svcc confirm``: keep what was applied with --confirm."""

from __future__ import annotations

import click

from svcc.apply import confirm
from svcc.apply.confirm import Pending
from svcc.apply.store import Store
from svcc.applying import Cause, explained, settle
from svcc.exits import Exit
from svcc.help import examples
from svcc.options import json_option
from svcc.outcome import outcome, put_done
from svcc.state_options import fail, need_root, pick_installation, prefix_option, state_option


@click.command("confirm", epilog=examples("svcc confirm"))
@prefix_option
@json_option
@state_option
def command(prefix: str | None, as_json: bool, store: Store) -> None:
    """Keep what was applied with --confirm. Without this the machine goes back when the seconds are over."""
    need_root()
    installation = pick_installation(store, prefix)
    with explained(Cause()), store.locked():
        pending = Pending.read(installation)
        settle(installation)
        if pending is None:
            fail("nothing waits to be confirmed", Exit.INPUT)
        if Pending.read(installation) is None:
            fail("too late: it was put back", Exit.DIFFERENT)
        confirm.disarm(installation)
        found = outcome(installation, installation.number)
        document = {name: found[name] for name in ("version", "prefix", "generation")}
        why = " Its time was over, but it could not be undone." if pending.over else ""
        put_done(f"Generation {installation.number} stays.{why}", document, as_json=as_json)
