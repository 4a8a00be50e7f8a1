"""``svcc history``: list the generations that were applied."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import click

from svcc.apply.generation import Generation
from svcc.apply.installation import Installation
from svcc.apply.store import Store
from svcc.applying import Cause, explained
from svcc.columns import columns
from svcc.compiler.report import printable
from svcc.help import examples
from svcc.options import json_option
from svcc.output import put, put_json
from svcc.state_options import all_option, pick_installations, prefix_option, state_option


@click.command("history", epilog=examples("svcc history", "svcc history --json"))
@prefix_option
@all_option
@json_option
@state_option
def command(prefix: str | None, every: bool, as_json: bool, store: Store) -> None:
    """List what was applied, the newest first; `*` is what is in place."""
    with explained(Cause()):
        found = {one.name: _History.read(one) for one in pick_installations(store, prefix, every=every)}
    if as_json:
        histories = {name: history.as_json() for name, history in found.items()}
        put_json({"prefixes": histories} if every else next(iter(histories.values())))
        return
    for name, history in found.items():
        if every:
            click.echo(name.upper())
        _print(history)


@dataclass(frozen=True)
class _History:
    """What was applied under a prefix."""

    current: int | None
    generations: tuple[Generation, ...]  # the newest first
    unconfirmed: frozenset[int]

    @classmethod
    def read(cls, installation: Installation) -> _History:
        current = installation.current
        recorded = installation.generations() if current else []
        kept = tuple(one for one in recorded if current and one.number <= current.number and one.of is None)
        return cls(current.reviewed if current else None, kept, installation.unconfirmed)

    def as_json(self) -> dict[str, Any]:
        rows = [asdict(one) | {"confirmed": one.number not in self.unconfirmed} for one in self.generations]
        return {"current": self.current, "generations": rows}


def _print(history: _History) -> None:
    heads = ("", "generation", "time", "who", "target", "node", "hash", "from")
    rows = [_row(one, current=one.number == history.current) for one in history.generations]
    put("".join(f"{line}\n" for line in columns(heads, rows)))


def _row(one: Generation, *, current: bool) -> tuple[str, ...]:
    mark, target, origin = "*" if current else "", one.target or "nothing", printable(one.note or one.source)
    return mark, str(one.number), one.time, one.who, target, one.node or "", one.hash[:12], origin
