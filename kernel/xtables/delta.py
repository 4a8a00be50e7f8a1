"""From some tables of ours to others: the shortest input for ``iptables-restore --noflush``.

Under ``--noflush`` a line ``:NAME - [0:0]`` makes a chain, or empties the one there is (iptables-restore(8)). So a
chain that differs is written anew and others are not named: the nft variant leaves them as they are, with the counters
of ``statistic --mode nth``. The legacy variant's kernel only takes whole tables: there every round robin of a table
begins again, whatever changes in it.

Many new chains, to which nothing leads yet, are committed some at a time ahead of all else on the nft variant, whose
tool takes time that is quadratic in the number of chains of one commit. What packets meet still changes at once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from heapq import heapify, heappop, heappush
from typing import TypeAlias

from svcc.kernel.xtables.script import AT_ONCE, chain_lines
from svcc.kernel.xtables.state import Rules, Table, Tables, leads_to

_NOTHING = Table()
#: How many new chains are committed together where they are committed ahead.
AHEAD = 128
#: Built-in chains and rules.
Entries: TypeAlias = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class TableDelta:
    """What changes in one table."""

    table: str
    written: Mapping[str, Rules]  # chains that are new or other than before, each after those that it leads to
    gone: tuple[str, ...]
    added: Entries
    removed: Entries
    ahead: tuple[Collection[str], ...] = ()  # those of the chains written that are committed before, by commit

    def lines(self) -> Iterator[str]:
        """The table's block, and those ahead of it; entries are added at the head of the built-in chains."""
        written = dict(self.written)
        for names in self.ahead:
            yield f"*{self.table}"
            yield from chain_lines({name: written.pop(name) for name in names})
            yield "COMMIT"
        yield f"*{self.table}"
        yield from chain_lines(written)
        yield from (f"-D {hook} {rule}" for hook, rule in self.removed)
        yield from (f"-I {hook} {rule}" for hook, rule in self.added)
        yield from (f"-F {chain}" for chain in self.gone)  # they may lead to each other
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

    @property
    def atomic(self) -> bool:
        """COMMIT is per table."""
        return len(self.tables) == 1 and not self.tables[0].ahead

    @property
    def title(self) -> str:
        """What the delta does, in a few words with numbers, for a plan."""
        counts = {
            "chains written": sum(len(table.written) for table in self.tables),
            "chains removed": sum(len(table.gone) for table in self.tables),
            "entries added": sum(len(table.added) for table in self.tables),
            "entries removed": sum(len(table.removed) for table in self.tables),
        }
        return ", ".join(_counted(number, what) for what, number in counts.items() if number)

    def table_of(self, number: int) -> str:
        """The table of a line, counted from 1."""
        heads = [line[1:] for line in self.lines[:number] if line.startswith("*")]
        return heads[-1] if heads else ""


def _counted(number: int, what: str) -> str:
    singular = what.replace("chains", "chain").replace("entries", "entry")
    return f"{number} {what if number != 1 else singular}"


def delta(live: Tables, wanted: Tables, order: Sequence[str], ahead: bool = False) -> Delta:
    """What makes ``wanted`` of ``live``; empty if they are equal. ``order``: that in which tables are committed, others
    come after them. ``ahead``: many new chains are committed before.
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
    return TableDelta(name, written, gone, added, removed, tuple(before))


def _entries(live: Counter[tuple[str, str]], wanted: Counter[tuple[str, str]]) -> tuple[Entries, Entries]:
    """The entries to add and to remove.

    ``-D`` takes the first of several that are equal, and what is left may stand behind rules that ours was in front of.
    So where there are too many all of them are removed, and as many as are wanted are added at the head.
    """
    added: list[tuple[str, str]] = []
    removed: list[tuple[str, str]] = []
    for entry in sorted({*live, *wanted}):
        there, due = live[entry], wanted[entry]
        if there > due:
            removed += [entry] * there
            added += [entry] * due
        else:
            added += [entry] * (due - there)
    return tuple(added), tuple(removed)


# -- the order of chains ----------------------------------------------------------------------------------------------


def ordered(chains: Mapping[str, Rules]) -> Mapping[str, Rules]:
    """The chains, each after those of them that it leads to.

    What svcc's scripts have in that order stays as it is. Otherwise (a saved state, sorted by the kernel) names come in
    descending order wherever it can be had, for which :func:`chain_lines` has a reason.
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
    """Of the chains that nothing before them needs, the one whose name sorts first comes last, and so on."""
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
