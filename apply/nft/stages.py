"""The states between a live and a wanted one. Each serves every frontend that both of these serve, also for a packet
that is under way in the moment of a transaction.

A transaction is atomic, but a packet's walk through the rules is not. The kernel decides at the first chain of a hook
which generation of rules a packet sees (``nft_do_chain``), and anew at each look-up which generation of elements
(``nft_genmask_cur``). So a packet may see old rules and then new elements, never the other way round. It can be lost in
two ways: old rules meet an element that leads to a new chain, which is still empty for them; or old rules look up an
element that was just removed. Hence a chain is made before any element leads to it, and an element is removed when no
rule looks it up any more.

When a table is removed, the kernel takes its base chains off their hooks one after the other, after the transaction,
with their rules as they were and their maps empty (``nf_tables_commit``). Packets that its nat chains do not translate
any more would still be refused by its filter chains, though something else may serve them by then. So the rules of
these base chains are removed before the table, all at once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from svcc.kernel.nft.delta import must_rebuild
from svcc.kernel.nft.state import FAMILIES, VERDICT, Element, NamedSet, NftState, Table


def prepared(live: NftState, wanted: NftState) -> NftState:
    """Return the live state with the new chains and sets added. No rule and no element leads to them yet."""
    tables = dict(live.tables)
    for family, old, new in _changing(live, wanted):
        chains = {name: chain for name, chain in new.chains.items() if name not in old.chains and not chain.is_base}
        if chains:
            sets = {name: replace(named, elements={}) for name, named in new.sets.items() if name not in old.sets}
            tables[family] = replace(old, chains={**old.chains, **chains}, sets={**old.sets, **sets})
    return NftState(tables)


def silenced(ready: NftState, wanted: NftState) -> NftState:
    """Return ``ready`` with empty base chains in the tables that ``wanted`` lacks: no packet gets into them any
    more."""
    tables = dict(ready.tables)
    for family in ready.tables.keys() - wanted.tables.keys():
        chains = ready.tables[family].chains
        silent = {name: replace(chain, rules=()) for name, chain in chains.items() if chain.is_base}
        tables[family] = replace(ready.tables[family], chains={**chains, **silent})
    return NftState(tables)


def switched(live: NftState, wanted: NftState) -> NftState:
    """Return the wanted state with the old chains and elements that a packet on its way may still meet."""
    tables = dict(wanted.tables)
    for family, old, new in _changing(live, wanted):
        left_over = {name: chain for name, chain in old.chains.items() if name not in new.chains and not chain.is_base}
        tables[family] = replace(
            new,
            chains={**new.chains, **left_over},
            sets={**new.sets, **{name: _with_old(named, new.sets.get(name)) for name, named in old.sets.items()}},
            others=old.others,
        )
    return NftState(tables)


def emptied(due: NftState, wanted: NftState) -> NftState:
    """Return ``due`` with no rules in the old chains, so that none of them leads to another."""
    tables = dict(due.tables)
    for family, table in due.tables.items():
        kept = wanted.tables[family].chains
        bare = {name: replace(chain, rules=()) for name, chain in table.chains.items() if name not in kept}
        tables[family] = replace(table, chains={**table.chains, **bare})
    return NftState(tables)


def _changing(live: NftState, wanted: NftState) -> Iterator[tuple[str, Table, Table]]:
    """Yield the family, the live and the wanted table of each table that differs and is not added, removed or rebuilt
    as a whole."""
    for family in FAMILIES:
        old, new = live.tables.get(family), wanted.tables.get(family)
        if old is not None and new is not None and old != new and not must_rebuild(old, new):
            yield family, old, new


def _with_old(old: NamedSet, new: NamedSet | None) -> NamedSet:
    """Return the new set with those old elements that a packet on its way may still look up. Elements of verdict maps
    are not among them, because the chains that they lead to are removed. Nor are intervals that a new element may
    overlap."""
    if old.declaration.data == VERDICT:
        return new or replace(old, elements={})
    if new is None or old.elements == new.elements:
        return new or old
    going: Mapping[str, Element] = {key: element for key, element in old.elements.items() if key not in new.elements}
    if old.declaration.interval:
        going = _apart(going, old.elements, new.elements)
    return replace(new, elements={**new.elements, **going})


def _apart(
    going: Mapping[str, Element], old: Mapping[str, Element], new: Mapping[str, Element]
) -> Mapping[str, Element]:
    """Return those of the ``going`` elements that no new element can overlap. Only the last part of a key is an
    interval; so it is enough that no new element has the same parts before it."""
    coming = {key.rpartition(" . ")[0] for key, element in new.items() if old.get(key) != element}
    return {key: element for key, element in going.items() if key.rpartition(" . ")[0] not in coming}
