"""What our two tables hold, as values: a document of the nft target and a listing of the kernel's give the same.

An element's key and value are written as nft prints them (``198.19.10.0 . tcp . 80``, ``goto spread-2-8080``): short
strings, quick to compare, of which there are a hundred thousand. Declarations, chains and rules are few, and are kept
as JSON text with sorted keys.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

#: The families of our tables, in the order in which they are changed.
FAMILIES = ("ip", "ip6")

#: (value, comment); each is "" where there is none.
Element = tuple[str, str]


@dataclass(frozen=True, slots=True)
class NamedSet:
    """A set or a map."""

    kind: str  # "set" or "map"
    declaration: str  # JSON of type, map, flags, size, …; the kernel's own flag "dynamic" is left out
    dynamic: bool  # rules put its elements in, and time takes them out: they are no part of the state
    elements: Mapping[str, Element] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Chain:
    hook: str  # JSON of type, hook, prio and policy; of a chain that is no base chain, {}
    rules: tuple[str, ...]  # the JSON of each one's expressions


@dataclass(frozen=True, slots=True)
class Table:
    name: str
    attributes: str = "{}"  # JSON of its flags and comment: ours have none
    sets: Mapping[str, NamedSet] = field(default_factory=dict)
    chains: Mapping[str, Chain] = field(default_factory=dict)
    others: tuple[tuple[str, str], ...] = ()  # kind and name of what svcc never makes: counters, flowtables, …


@dataclass(frozen=True, slots=True)
class NftState:
    """Our tables by family; a family without one is not there."""

    tables: Mapping[str, Table] = field(default_factory=dict)


def differing_keys(old: Mapping[str, Element], new: Mapping[str, Element]) -> set[str]:
    """The keys of the elements that come, change or go."""
    return {key for key in old.keys() | new.keys() if old.get(key) != new.get(key)}


def dump(state: NftState) -> Any:
    return {family: _dumped(table) for family, table in state.tables.items()}


def _dumped(table: Table) -> Any:
    sets = {
        name: [named.kind, named.declaration, named.dynamic, dict(named.elements)] for name, named in table.sets.items()
    }
    chains = {name: [chain.hook, *chain.rules] for name, chain in table.chains.items()}
    return [table.name, table.attributes, sets, chains, table.others]


def load(data: Any) -> NftState:
    return NftState({family: _table(dumped) for family, dumped in data.items()})


def _table(dumped: Any) -> Table:
    name, attributes, sets, chains, others = dumped
    return Table(
        name,
        attributes,
        {name: _set(*of) for name, of in sets.items()},
        {name: Chain(hook, tuple(rules)) for name, (hook, *rules) in chains.items()},
        tuple((kind, name) for kind, name in others),
    )


def _set(kind: str, declaration: str, dynamic: bool, elements: Any) -> NamedSet:
    return NamedSet(kind, declaration, dynamic, {key: (value, comment) for key, (value, comment) in elements.items()})
