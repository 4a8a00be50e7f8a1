"""The states on the way from one to another, each of which serves all that both serve, also for a packet that is under
way in the moment of a transaction.

A transaction is atomic, but a packet's walk through the rules is not. The kernel decides at the first chain of a hook
which generation of rules a packet sees (``nft_do_chain``), and anew at each look-up which one of elements
(``nft_genmask_cur``). So a packet may see old rules and then new elements, never the other way round, and there are two
ways to lose one: old rules meet an element that leads to a new chain, which is still empty for them; or they look for
an element that has just gone. Hence chains are made before anything leads there, and elements go when nothing asks for
them any more.

A table that goes has its base chains taken off their hooks one after the other, after the transaction, with their rules
as they were and their maps empty (``nf_tables_commit``): what nat does not translate any more would be refused still,
though something else serves it by then. So these rules go first, which is at once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from svcc.kernel.nft.delta import must_rebuild
from svcc.kernel.nft.state import FAMILIES, VERDICT, Element, NamedSet, NftState, Table


def prepared(live: NftState, wanted: NftState) -> NftState:
    """The live state with the chains and sets that are to come. Nothing leads to them yet."""
    tables = dict(live.tables)
    for family, old, new in _changing(live, wanted):
        chains = {name: chain for name, chain in new.chains.items() if name not in old.chains and not chain.is_base}
        if chains:
            sets = {name: replace(named, elements={}) for name, named in new.sets.items() if name not in old.sets}
            tables[family] = replace(old, chains={**old.chains, **chains}, sets={**old.sets, **sets})
    return NftState(tables)


def silenced(ready: NftState, wanted: NftState) -> NftState:
    """``ready``, with the base chains of tables that go empty: no packet gets into these tables any more."""
    tables = dict(ready.tables)
    for family in ready.tables.keys() - wanted.tables.keys():
        chains = ready.tables[family].chains
        silent = {name: replace(chain, rules=()) for name, chain in chains.items() if chain.is_base}
        tables[family] = replace(ready.tables[family], chains={**chains, **silent})
    return NftState(tables)


def switched(live: NftState, wanted: NftState) -> NftState:
    """The wanted state, with the old chains and elements that a packet on its way may still meet."""
    tables = dict(wanted.tables)
    for family, old, new in _changing(live, wanted):
        left_over = {name: it for name, it in old.chains.items() if name not in new.chains and not it.is_base}
        tables[family] = replace(
            new,
            chains={**new.chains, **left_over},
            sets={**new.sets, **{name: _with_old(named, new.sets.get(name)) for name, named in old.sets.items()}},
            others=old.others,
        )
    return NftState(tables)


def emptied(due: NftState, wanted: NftState) -> NftState:
    """``due``, with old chains that have no rules, and so lead to none of the others."""
    tables = dict(due.tables)
    for family, table in due.tables.items():
        kept = wanted.tables[family].chains
        bare = {name: replace(chain, rules=()) for name, chain in table.chains.items() if name not in kept}
        tables[family] = replace(table, chains={**table.chains, **bare})
    return NftState(tables)


def _changing(live: NftState, wanted: NftState) -> Iterator[tuple[str, Table, Table]]:
    """The tables that are not added, removed or replaced as a whole."""
    for family in FAMILIES:
        old, new = live.tables.get(family), wanted.tables.get(family)
        if old is not None and new is not None and old != new and not must_rebuild(old, new):
            yield family, old, new


def _with_old(old: NamedSet, new: NamedSet | None) -> NamedSet:
    """The new set, and of the elements that go those that a packet on its way may still look up. Verdicts are not among
    them, because the chain that they lead to goes. Nor are intervals that a new one may overlap."""
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
    """The elements that no new one can overlap: only the last part of a key is an interval, and no new element shares
    the parts before it."""
    coming = {key.rpartition(" . ")[0] for key, element in new.items() if old.get(key) != element}
    return {key: element for key, element in going.items() if key.rpartition(" . ")[0] not in coming}
