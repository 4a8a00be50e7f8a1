"""Say in a few words what a transaction does, for the list of steps in a plan."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from svcc.kernel.nft.state import NftState
from svcc.kernel.nft.transaction import Command

_DONE = {"add": "added", "delete": "removed"}


def title(commands: Iterable[Command], live: NftState) -> str:
    """Return the title of a transaction: ``3 elements added, 1 removed; 1 chain changed``. Whole tables that are added,
    removed or replaced come first. ``live``: the state before the transaction."""
    counts: Counter[tuple[str, str]] = Counter()
    tables: dict[str, list[str]] = {}
    touched: set[str] = set()  # chains that are filled or emptied
    whole: set[str] = set()  # chains that come or go
    for command in commands:
        kind, name = command.name
        if kind == "table":
            tables.setdefault(name, []).append(command.verb)
            continue
        if kind == "chain":
            (whole if command.kind == "chain" and command.verb != "flush" else touched).add(name)
        if command.kind != "rule" and command.verb != "flush":
            counts[kind, command.verb] += command.size
    existing = {f"{family} {table.name}" for family, table in live.tables.items()}
    words = [f"table {name} {_fate(verbs, existed=name in existing)}" for name, verbs in tables.items()]
    for kind in ("element", "chain", "set", "map"):
        words += _counted(kind, counts)
    if touched - whole:
        words.append(f"{_number(len(touched - whole), 'chain')} changed")
    return "; ".join(words)


def _fate(verbs: list[str], *, existed: bool) -> str:
    if verbs[-1] == "delete":
        return "removed"
    return "replaced" if existed else "added"


def _counted(kind: str, counts: Counter[tuple[str, str]]) -> Iterable[str]:
    numbers = [(counts[kind, verb], verb) for verb in ("add", "delete") if counts[kind, verb]]
    if numbers:
        (first, verb), *rest = numbers
        yield ", ".join([f"{_number(first, kind)} {_DONE[verb]}", *(f"{n} {_DONE[v]}" for n, v in rest)])


def _number(count: int, kind: str) -> str:
    return f"{count} {kind}{'' if count == 1 else 's'}"
