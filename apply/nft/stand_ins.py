"""Have another map answer for intervals while they change, where a packet could find neither the old nor the new ones.

An interval that overlaps an old one cannot be added before the rules change, and packets see it a moment later than the
rest of its transaction (see ``stages.py``). A frontend that another map served before would be served by none in this
moment; and of two maps of one service, one may have changed and the other not yet. Before Linux 6.17, moreover, a
look-up in a map of concatenated intervals finds neither the old nor the new element in the moment in which a
transaction changes it: the old one is not valid any more, and the new one is not published yet
(``nft_pipapo_lookup``). So a stand-in gets the new elements, and rules ask it before the map while the map changes.

Before Linux 6.17, also a transaction that is only tried hides the elements that it deletes, for a few microseconds,
though it changes nothing (measured with 6.12). So what deletes such elements is not tried.
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping
from dataclasses import replace
from itertools import count

from svcc.apply.nft.stages import changing
from svcc.kernel.nft.expressions import Lookup, Named
from svcc.kernel.nft.state import Element, NamedSet, NftState, Table
from svcc.kernel.nft.statements import Dnat, Rule, Statement, VerdictMap
from svcc.kernel.nft.transaction import Command

#: The first release of the kernel that finds an element while it changes.
_FINDS_ALWAYS = (6, 17)


def finds_always(release: tuple[int, ...]) -> bool:
    """Whether a kernel of this ``release`` finds an element while it changes."""
    return release >= _FINDS_ALWAYS


def with_stand_ins(ready: NftState, wanted: NftState, release: tuple[int, ...]) -> NftState:
    """Return the wanted state with stand-ins for the intervals that change, which are as they were in ``ready``. Return
    ``wanted`` itself where a kernel of this ``release`` needs none.

    ``ready``: the state before the change, which has all new intervals that overlap no old one.
    """
    helped: dict[str, Table] = {}
    for family, old, new in changing(ready, wanted):
        late = {name: found for name, named in new.sets.items() if (found := _late(old.sets.get(name), named, release))}
        if late:
            helped[family] = _with_stand_ins(old, new, late)
    return NftState({**wanted.tables, **helped}) if helped else wanted


def caught_up(switch: NftState, due: NftState, wanted: NftState) -> NftState:
    """Return ``switch``, the state in which others answer for what changes, with the elements of ``due``, the state
    without them, in all sets that ``wanted`` has."""
    tables = {
        family: replace(table, sets={**table.sets, **_common(due.tables[family].sets, wanted.tables[family].sets)})
        for family, table in switch.tables.items()
    }
    return NftState(tables)


def _common(sets: Mapping[str, NamedSet], names: Container[str]) -> dict[str, NamedSet]:
    return {name: named for name, named in sets.items() if name in names}


def hides(command: Command, live: NftState, wanted: NftState, release: tuple[int, ...]) -> bool:
    """Whether a kernel of this ``release`` finds no intervals for a moment when it only tries the command."""
    if finds_always(release) or command.verb not in ("delete", "flush"):
        return False
    table = live.tables.get(str(command.fields["family"]))
    if table is None:
        return False
    if command.kind == "table":
        return command.fields["family"] not in wanted.tables and any(map(_is_fragile, table.sets.values()))
    named = table.sets.get(str(command.fields["name"]))
    return command.kind in ("element", "map") and named is not None and _is_fragile(named)


def _is_fragile(named: NamedSet) -> bool:
    declaration = named.declaration
    return declaration.data is not None and declaration.interval and len(declaration.types) > 1


def _late(old: NamedSet | None, new: NamedSet, release: tuple[int, ...]) -> Mapping[str, Element]:
    """Return the elements of a map of intervals that have to come in the place of others, where that loses packets."""
    if old is None or not new.declaration.interval or new.declaration.data is None or old.elements == new.elements:
        return {}
    late = {key: element for key, element in new.elements.items() if old.elements.get(key) != element}
    overlap = not late.keys() <= old.elements.keys()
    return late if overlap or (_is_fragile(new) and not finds_always(release)) else {}


def _with_stand_ins(old: Table, new: Table, late: Mapping[str, Mapping[str, Element]]) -> Table:
    """Return the new table with a stand-in for each map that has ``late`` elements. It has these alone."""
    names = {name: next(spare for n in count() if (spare := f"{name}-{n}") not in old.sets) for name in late}
    sets = dict(new.sets)
    for name, elements in late.items():
        sets[name] = old.sets[name]
        sets[names[name]] = replace(new.sets[name], elements=elements)
    chains = {
        name: replace(chain, rules=tuple(rule for own in chain.rules for rule in _asking_first(own, names)))
        for name, chain in new.chains.items()
    }
    return replace(new, sets=sets, chains=chains)


def _asking_first(rule: Rule, names: Mapping[str, str]) -> Iterator[Rule]:
    """Yield a rule, and before it the same one with the stand-ins of the maps that it looks up. Where a stand-in has
    nothing, the packet goes on to the rule itself."""
    other = tuple(_asking(statement, names) for statement in rule)
    if other != rule:
        yield other
    yield rule


def _asking(statement: Statement, names: Mapping[str, str]) -> Statement:
    """Return a statement that looks up the map with the name that is given for its own."""
    match statement:
        case VerdictMap(key, Named(name)) if name in names:
            return VerdictMap(key, Named(names[name]))
        case Dnat(Lookup(key, Named(name)), port) if name in names:
            return Dnat(Lookup(key, Named(names[name])), port)
    return statement
