"""Make the shortest input for ``iptables-restore --noflush`` that turns some tables of ours into others.

Under ``--noflush`` a line ``:NAME - [0:0]`` makes a chain, or empties it where it exists (iptables-restore(8)). So a
chain that differs is written again, and others are not named: the nft variant leaves these as they are, with the
counters of ``statistic --mode nth``. The legacy variant's kernel takes only whole tables: there every round robin of a
table begins again, whatever changes in it.

On the nft variant, many new chains are committed ahead, some at a time, while no rule leads to them. Its tool takes
time that is quadratic in the number of chains of a commit. For packets, all rules of a table still change at once.

Where all entries of the nat table go, those that translate destinations go in a commit before. A packet meets the hooks
one after the other, each with the rules of that moment: one that was translated may still need its source masqueraded,
or the endpoint would answer to itself, or past us. The connection keeps what the first packet met, and would hang.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from heapq import heapify, heappop, heappush
from typing import TypeAlias

from svcc.kernel.xtables.script import AT_ONCE, chain_lines
from svcc.kernel.xtables.state import Rules, Table, Tables, leads_to

_NOTHING = Table()
#: How many new chains are committed together where they are committed ahead.
AHEAD = 128
#: The built-in chains of the nat table that translate destinations. Packets meet the others later.
_DESTINATIONS = ("PREROUTING", "OUTPUT")
#: Pairs of a built-in chain and a rule in it.
Entries: TypeAlias = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class TableDelta:
    """What changes in one table."""

    table: str
    written: Mapping[str, Rules]  # chains that are new or changed, each after those that it leads to
    gone: tuple[str, ...]  # chains that are removed
    added: Entries
    removed: Entries
    ahead: tuple[Collection[str], ...] = ()  # written chains that are committed ahead, by commit
    first: Entries = ()  # removed entries that go in a commit of their own

    @property
    def commits(self) -> int:
        """How many commits it takes."""
        return len(self.ahead) + bool(self.first) + 1

    def lines(self) -> Iterator[str]:
        """Yield the lines of the commits ahead, and of the table's own. Entries are added at the head of the built-in
        chains."""
        written = dict(self.written)
        if self.first:
            yield f"*{self.table}"
            yield from (f"-D {hook} {rule}" for hook, rule in self.first)
            yield "COMMIT"
        for names in self.ahead:
            yield f"*{self.table}"
            yield from chain_lines({name: written.pop(name) for name in names})
            yield "COMMIT"
        yield f"*{self.table}"
        yield from chain_lines(written)
        yield from (f"-D {hook} {rule}" for hook, rule in self.removed if (hook, rule) not in self.first)
        yield from (f"-I {hook} {rule}" for hook, rule in self.added)
        yield from (f"-F {chain}" for chain in self.gone)  # all first, as they may lead to each other
        yield from (f"-X {chain}" for chain in self.gone)
        yield "COMMIT"


@dataclass(frozen=True, slots=True)
class Delta:
    """The tables that change, in the order in which they are committed."""

    tables: tuple[TableDelta, ...] = ()
    lines: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "lines", tuple(line for table in self.tables for line in table.lines()))

    def __str__(self) -> str:
        return "".join(f"{line}\n" for line in self.lines)

    def without_first(self) -> Delta:
        """Return the delta with all removals of a table in one commit. A test commits nothing, so there a second commit
        would meet what the first one removed."""
        return Delta(tuple(replace(table, first=()) for table in self.tables))

    @property
    def atomic(self) -> bool:
        """Whether the kernel takes all of it or nothing: each COMMIT is a transaction, and each table has at least
        one."""
        return sum(table.commits for table in self.tables) == 1

    @property
    def title(self) -> str:
        """The title of the step in a plan: what the delta does, in a few words with numbers."""
        counts = {
            "chains written": sum(len(table.written) for table in self.tables),
            "chains removed": sum(len(table.gone) for table in self.tables),
            "entries added": sum(len(table.added) for table in self.tables),
            "entries removed": sum(len(table.removed) for table in self.tables),
        }
        return ", ".join(_counted(number, what) for what, number in counts.items() if number)

    def table_of(self, number: int) -> str:
        """Return the table that a line is about. ``number``: the line's, from 1."""
        heads = [line[1:] for line in self.lines[:number] if line.startswith("*")]
        return heads[-1] if heads else ""


def _counted(number: int, what: str) -> str:
    singular = what.replace("chains", "chain").replace("entries", "entry")
    return f"{number} {what if number != 1 else singular}"


def delta(live: Tables, wanted: Tables, order: Sequence[str], ahead: bool = False) -> Delta:
    """Return the delta that turns ``live`` into ``wanted``; an empty one where they are equal.

    ``order``: the order in which tables are committed; others come after these. ``ahead``: whether many new chains are
    committed ahead.
    """
    names = sorted({*live, *wanted}, key=partial(_place, order))
    found = (_table(name, live.get(name, _NOTHING), wanted.get(name, _NOTHING), ahead) for name in names)
    return Delta(tuple(table for table in found if table is not None))


def _place(order: Sequence[str], table: str) -> tuple[int, str]:
    return (order.index(table) if table in order else len(order)), table


def _table(name: str, live: Table, wanted: Table, ahead: bool) -> TableDelta | None:
    if live == wanted:
        return None
    written = ordered({chain: rules for chain, rules in wanted.chains.items() if live.chains.get(chain) != rules})
    new = [chain for chain in written if chain not in live.chains] if ahead else []
    before = [new[i : i + AHEAD] for i in range(0, len(new), AHEAD)] if len(new) > AT_ONCE else []
    gone = tuple(chain for chain in live.chains if chain not in wanted.chains)
    added, removed = _entries(Counter(live.entries), Counter(wanted.entries))
    first = tuple(entry for entry in removed if entry[0] in _DESTINATIONS)
    if name != "nat" or wanted.entries or first == removed:
        first = ()
    return TableDelta(name, written, gone, added, removed, tuple(before), first)


def _entries(live: Counter[tuple[str, str]], wanted: Counter[tuple[str, str]]) -> tuple[Entries, Entries]:
    """Return the entries to add, and those to remove.

    ``-D`` removes the first of several equal entries, and those that are left may be behind rules that the first was in
    front of. So where there are too many, all of them are removed, and as many as are wanted are added at the head.
    """
    added: list[tuple[str, str]] = []
    removed: list[tuple[str, str]] = []
    for entry in sorted({*live, *wanted}):
        had, due = live[entry], wanted[entry]
        if had > due:
            removed += [entry] * had
            added += [entry] * due
        else:
            added += [entry] * (due - had)
    return tuple(added), tuple(removed)


# -- the order of chains ----------------------------------------------------------------------------------------------


def ordered(chains: Mapping[str, Rules]) -> Mapping[str, Rules]:
    """Return the chains, each after those of them that it leads to.

    Chains of svcc's scripts are in such an order, and keep it. Others, of a saved state that the kernel has sorted,
    come in descending order of their names as far as possible; :func:`chain_lines` says why.
    """
    led = {chain: _led(rules, chains) for chain, rules in chains.items()}
    if _in_order(led):
        return chains
    return {chain: chains[chain] for chain in _from_the_end(led)}


def _led(rules: Rules, among: Collection[str]) -> set[str]:
    return {target for target in map(leads_to, rules) if target is not None and target in among}


def _in_order(led: Mapping[str, set[str]]) -> bool:
    seen: set[str] = set()
    for chain, targets in led.items():
        if not targets <= seen:
            return False
        seen.add(chain)
    return True


def _from_the_end(led: Mapping[str, set[str]]) -> list[str]:
    """Return the chains in order, found from the end: of the chains to which none of the rest leads, the one whose name
    sorts first comes last, and so on."""
    needed = Counter(target for targets in led.values() for target in targets)
    free = [chain for chain in led if not needed[chain]]
    heapify(free)
    reverse: list[str] = []
    while free:
        chain = heappop(free)
        reverse.append(chain)
        for target in led[chain]:
            needed[target] -= 1
            if not needed[target]:
                heappush(free, target)
    reverse.reverse()
    return reverse
