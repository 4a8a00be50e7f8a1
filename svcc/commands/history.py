"""``svcc history``: the generations that were applied."""

from __future__ import annotations

import json
from dataclasses import asdict

import click

from svcc.apply.store import Store
from svcc.applying import Cause, explained
from svcc.state import pick_installation, prefix_option, state_option


@click.command("history")
@prefix_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@state_option
def command(prefix: str | None, as_json: bool, store: Store) -> None:
    """List what was applied, the newest first; `*` is what is in place."""
    with explained(Cause()):
        installation = pick_installation(store, prefix)
        current = installation.number
        generations = [one for one in installation.generations() if one.number <= (current or 0)]
    if as_json:
        click.echo(json.dumps({"current": current, "generations": [asdict(one) for one in generations]}, indent=2))
        return
    from rich.table import Table

    from svcc.console import console

    table = Table(box=None, pad_edge=False)
    for column in ("", "generation", "time", "who", "target", "node", "hash", "from"):
        table.add_column(column)
    for one in generations:
        mark = "*" if one.number == current else ""
        target, origin = one.target or "nothing", one.note or one.source
        table.add_row(mark, str(one.number), one.time, one.who, target, one.node or "", one.hash[:12], origin)
    console().print(table)
