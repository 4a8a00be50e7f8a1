"""The states between a live and a wanted one. Each serves every frontend that both of these serve, also for a packet
that is under way in the moment of a transaction.

A transaction is atomic, but a packet's walk through the rules is not. The kernel decides at the first chain of a hook
which generation of rules a packet sees (``nft_do_chain``), and anew at each look-up which generation of elements
(``nft_genmask_cur``). So a packet may see old rules and then new elements. With sets of intervals it may also see new
rules and then old elements: the kernel publishes a new copy of such a set (``nft_set_commit_update``) after all else of
the transaction is in use. So a packet can be lost in three ways: old rules meet an element that leads to a new chain,
which is still empty for them; old rules look up an element that was just removed; or new rules look up an interval that
is not there yet. Hence a chain is made before any element leads to it, an element is removed when no rule looks it up
any more, and intervals are added before the rules that look them up. A frontend that goes from the map of single ports
to that of ranges, or back, stays in the one until it is in the other and rules look up both.

When a table is removed, the kernel takes its base chains off their hooks one after the other, after the transaction,
with their rules as they were and their maps empty (``nf_tables_commit``). Packets that its nat chains do not translate
any more would still be refused by its filter chains, though something else may serve them by then. So the rules of
these base chains are removed before the table, all at once. Those that translate sources stay until the table goes: a
packet whose destination was translated a moment before has yet to come by them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from svcc.kernel.nft.delta import must_rebuild
from svcc.kernel.nft.intervals import apart
from svcc.kernel.nft.state import FAMILIES, VERDICT, Chain, Element, NamedSet, NftState, Table


def prepared(live: NftState, wanted: NftState, *, taking_over: bool = False) -> NftState:
    """Return the live state with the new chains, sets and intervals added. No rule and no element leads to them yet,
    but for intervals of sets that rules look up already: those are in use a moment before the rest.

    ``taking_over``: whether another target serves, so that new tables, too, have to be complete from the first packet.
    """
    tables = dict(live.tables)
    if taking_over:
        empty = {family: Table(new.name, new.attributes) for family, new in wanted.tables.items()}
        live = NftState({**empty, **live.tables})
    for family, old, new in changing(live, wanted):
        chains = {name: chain for name, chain in new.chains.items() if name not in old.chains and not chain.is_base}
        sets = {name: _with_new_intervals(old.sets.get(name), named) for name, named in new.sets.items()}
        sets = {name: named for name, named in sets.items() if named != old.sets.get(name)}
        if chains or any(named.elements for named in sets.values()):
            tables[family] = replace(old, chains={**old.chains, **chains}, sets={**old.sets, **sets})
    return NftState(tables)


def _with_new_intervals(old: NamedSet | None, new: NamedSet) -> NamedSet:
    """Return the old set, or an empty one, with those intervals of the new one that overlap none of the old ones."""
    existing = {} if old is None else old.elements
    if not new.declaration.interval or existing == new.elements:
        return replace(new, elements=existing)
    coming = {key: element for key, element in new.elements.items() if key not in existing}
    return replace(new, elements={**existing, **apart(coming, existing)})


def silenced(ready: NftState, wanted: NftState) -> NftState:
    """Return ``ready`` with empty base chains in the tables that ``wanted`` lacks: no packet gets into them any more.
    Only the chains that translate sources keep their rules."""
    tables = dict(ready.tables)
    for family in ready.tables.keys() - wanted.tables.keys():
        chains = ready.tables[family].chains
        silent = {name: replace(chain, rules=()) for name, chain in chains.items() if _lets_in(chain)}
        tables[family] = replace(ready.tables[family], chains={**chains, **silent})
    return NftState(tables)


def _lets_in(chain: Chain) -> bool:
    """Whether packets get into the table by a chain, for other than their source's translation."""
    hook = chain.hook
    return chain.is_base and not (hook is not None and hook.type == "nat" and hook.hook in ("input", "postrouting"))


def switched(live: NftState, wanted: NftState, *, hold: bool = False) -> NftState:
    """Return the wanted state with the old chains and elements that a packet on its way may still meet.

    ``hold``: whether old elements of verdict maps are among them, so that these serve until the next stage.
    """
    tables = dict(wanted.tables)
    for family, old, new in changing(live, wanted):
        left_over = {name: chain for name, chain in old.chains.items() if name not in new.chains and not chain.is_base}
        tables[family] = replace(
            new,
            chains={**new.chains, **left_over},
            sets={**new.sets, **{name: _with_old(named, new.sets.get(name), hold) for name, named in old.sets.items()}},
            others=old.others,
        )
    return NftState(tables)


def may_change_maps(live: NftState, wanted: NftState) -> bool:
    """Whether frontends may go from the map of single ports to that of ranges, or back. Then old rules could find them
    in neither: not any more in the map that they look up first, and not yet in the other; or the reverse."""
    return any(
        leaves.declaration.interval is not comes.declaration.interval
        for _, old, new in changing(live, wanted)
        for leaves in _with_more_keys(old, new)
        for comes in _with_more_keys(new, old)
    )


def _with_more_keys(table: Table, other: Table) -> Iterator[NamedSet]:
    """Yield the verdict maps of a table that have keys which those of another table lack."""
    for name, named in table.sets.items():
        if named.declaration.data == VERDICT:
            counterpart = other.sets.get(name)
            if counterpart is None or not named.elements.keys() <= counterpart.elements.keys():
                yield named


def emptied(due: NftState, wanted: NftState) -> NftState:
    """Return ``due`` with no rules in the old chains, so that none of them leads to another."""
    tables = dict(due.tables)
    for family, table in due.tables.items():
        kept = wanted.tables[family].chains
        bare = {name: replace(chain, rules=()) for name, chain in table.chains.items() if name not in kept}
        tables[family] = replace(table, chains={**table.chains, **bare})
    return NftState(tables)


def changing(live: NftState, wanted: NftState) -> Iterator[tuple[str, Table, Table]]:
    """Yield the family, the live and the wanted table of each table that differs and is not added, removed or rebuilt
    as a whole."""
    for family in FAMILIES:
        old, new = live.tables.get(family), wanted.tables.get(family)
        if old is not None and new is not None and old != new and not must_rebuild(old, new):
            yield family, old, new


def _with_old(old: NamedSet, new: NamedSet | None, hold: bool) -> NamedSet:
    """Return the new set with those old elements that a packet on its way may still look up. Elements of verdict maps
    are among them only on ``hold``, because the chains that they lead to are removed. Intervals that a new element may
    overlap are not."""
    if old.declaration.data == VERDICT and not hold:
        return new or replace(old, elements={})
    if new is None or old.elements == new.elements:
        return new or old
    going: Mapping[str, Element] = {key: element for key, element in old.elements.items() if key not in new.elements}
    if old.declaration.interval:
        going = apart(going, [key for key, element in new.elements.items() if old.elements.get(key) != element])
    return replace(new, elements={**new.elements, **going})
