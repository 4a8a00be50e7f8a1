"""Turn a state into JSON's types and back, for records."""

from __future__ import annotations

from svcc.kernel.json_values import Json, items, members, string
from svcc.kernel.nft.rules import chain, declaration, rule
from svcc.kernel.nft.state import Element, NamedSet, NftState, Table
from svcc.kernel.nft.statements import fields


def dump(state: NftState) -> Json:
    """Return the state in JSON's own types."""
    return {family: _dumped(table) for family, table in state.tables.items()}


def _dumped(table: Table) -> Json:
    sets: Json = {name: [named.declaration.fields(), named.elements] for name, named in table.sets.items()}
    chains: Json = {name: [chain.fields(), *map(fields, chain.rules)] for name, chain in table.chains.items()}
    return [table.name, table.attributes, sets, chains, table.others]


def load(data: object) -> NftState:
    """Return the state that :func:`dump` was given. Errors: LookupError, TypeError, ValueError, AttributeError."""
    return NftState({family: _table(dumped) for family, dumped in members(data).items()})


def _table(dumped: Json) -> Table:
    name, attributes, sets, chains, others = items(dumped)
    return Table(
        string(name),
        string(attributes),
        {name: _set(dumped) for name, dumped in members(sets).items()},
        {name: chain(head, map(rule, rules)) for name, (head, *rules) in _lists(chains)},
        tuple((string(kind), string(name)) for kind, name in map(items, items(others))),
    )


def _lists(value: Json) -> list[tuple[str, list[Json]]]:
    return [(name, [*items(listed)]) for name, listed in members(value).items()]


def _set(dumped: Json) -> NamedSet:
    declared, elements = items(dumped)
    return NamedSet(declaration(declared), {key: _element(pair) for key, pair in members(elements).items()})


def _element(pair: Json) -> Element:
    value, comment = items(pair)
    return string(value), string(comment)
