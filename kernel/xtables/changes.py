"""Find what differs between two states, line by line."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from difflib import SequenceMatcher

from svcc.kernel.steps import Change, FrontendAddress, Verb
from svcc.kernel.xtables.meaning import Meaning
from svcc.kernel.xtables.routes import FrontendRules, fronts
from svcc.kernel.xtables.state import Rules, State, Table, Tables
from svcc.kernel.xtables.variant import other

_NOTHING = Table()


def changes(part: str, live: State, wanted: State, meaning: Meaning) -> Iterator[Change]:
    """Yield what differs in a family: table by table, in each the chains by name, then the entries."""
    for table in sorted({*live.tables, *wanted.tables}):
        yield from table_changes(part, meaning, table, live.tables, wanted.tables)
    remark = f" (the {other(live.variant)} variant)" if live.variant else ""
    for table in sorted({*live.strays, *wanted.strays}):
        yield from table_changes(part, meaning, table, live.strays, wanted.strays, remark)


def table_changes(
    part: str, meaning: Meaning, table: str, live: Tables, wanted: Tables, remark: str = ""
) -> Iterator[Change]:
    """Yield what differs in one table. ``remark``: the end of every change's subject."""
    before, after = live.get(table, _NOTHING), wanted.get(table, _NOTHING)
    if before == after:
        return
    known = _Known(fronts(after, meaning), fronts(before, meaning))
    for chain in sorted({*before.chains, *after.chains}):
        old, new = before.chains.get(chain), after.chains.get(chain)
        if old == new:
            continue
        label = meaning.label(chain)
        if old is None or new is None:
            verb = Verb.ADD if old is None else Verb.REMOVE
            yield Change(verb, part, "chain", f"{table} {chain}{remark}", frontend=known.of_chain(chain), label=label)
        for verb, rule in _difference(old or (), new or ()):
            frontend = known.of_rule(chain, rule)
            yield Change(verb, part, "rule", f"{table} -A {chain} {rule}{remark}", frontend=frontend, label=label)
    yield from _entries(part, table, before, after, remark)


class _Known:
    """The frontends of chains and rules. Of several ``known`` states, the first that knows a frontend tells it."""

    def __init__(self, *known: FrontendRules) -> None:
        self._rules: dict[tuple[str, str], FrontendAddress] = {}
        self._chains: dict[str, FrontendAddress] = {}
        for one in known:
            for front in one:
                self._rules.setdefault((front.chain, front.rule), front.frontend)
                for chain in front.through:
                    self._chains.setdefault(chain, front.frontend)

    def of_chain(self, chain: str) -> FrontendAddress | None:
        return self._chains.get(chain)

    def of_rule(self, chain: str, rule: str) -> FrontendAddress | None:
        return self._rules.get((chain, rule)) or self._chains.get(chain)


def _difference(old: Rules, new: Rules) -> Iterator[tuple[Verb, str]]:
    """Yield the rules that are removed and added, in their order."""
    if not old or not new:
        yield from ((Verb.REMOVE, rule) for rule in old)
        yield from ((Verb.ADD, rule) for rule in new)
        return
    for kind, i, j, k, m in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if kind != "equal":
            yield from ((Verb.REMOVE, rule) for rule in old[i:j])
            yield from ((Verb.ADD, rule) for rule in new[k:m])


def _entries(part: str, table: str, before: Table, after: Table, remark: str) -> Iterator[Change]:
    old, new = Counter(before.entries), Counter(after.entries)
    differing: Mapping[Verb, Counter[tuple[str, str]]] = {Verb.REMOVE: old - new, Verb.ADD: new - old}
    for verb, entries in differing.items():
        for hook, rule in sorted(entries.elements()):
            yield Change(verb, part, "entry", f"{table} -I {hook} {rule}{remark}")
