"""A state as JSON, to be written down and read again."""

from __future__ import annotations

from typing import Any

from svcc.kernel.nft.expressions import Json
from svcc.kernel.nft.rules import chain, declaration, rule
from svcc.kernel.nft.state import NamedSet, NftState, Table
from svcc.kernel.nft.statements import fields


def dump(state: NftState) -> Json:
    return {family: _dumped(table) for family, table in state.tables.items()}


def _dumped(table: Table) -> Json:
    sets: Json = {name: [named.declaration.fields(), named.elements] for name, named in table.sets.items()}
    chains: Json = {name: [chain.fields(), *map(fields, chain.rules)] for name, chain in table.chains.items()}
    return [table.name, table.attributes, sets, chains, table.others]


def load(data: Any) -> NftState:
    """What :func:`dump` made. Errors: LookupError, TypeError, ValueError, AttributeError."""
    return NftState({family: _table(dumped) for family, dumped in data.items()})


def _table(dumped: Any) -> Table:
    name, attributes, sets, chains, others = dumped
    return Table(
        name,
        attributes,
        {name: _set(*of) for name, of in sets.items()},
        {name: chain(head, map(rule, rules)) for name, (head, *rules) in chains.items()},
        tuple((kind, name) for kind, name in others),
    )


def _set(declared: Any, elements: Any) -> NamedSet:
    return NamedSet(declaration(declared), {key: (value, comment) for key, (value, comment) in elements.items()})
