"""Print a state as the JSON document that makes it, with a line for each command and for each element.

Commas are at the beginning of lines, so that a new element, set or rule is a new line and changes no other line.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

from svcc.kernel.json_values import Json
from svcc.kernel.nft.elements import ElementPrinter
from svcc.kernel.nft.expressions import Named
from svcc.kernel.nft.state import FAMILIES, VERDICT, Chain, NftState, Table
from svcc.kernel.nft.statements import VerdictMap, fields


def document(state: NftState, name: str) -> str:
    """Return the document that replaces our tables, whatever they hold, by those of the state. It only removes the
    table of a family that has none in the state.

    ``name``: the name of the tables, in all families. Sets and chains have the order of their tables.
    """
    commands = [line for family in FAMILIES for line in _replace(family, name, again=family in state.tables)]
    for family in FAMILIES:
        if family in state.tables:
            commands += _commands(family, state.tables[family])
    return '{"nftables": [\n  ' + "\n, ".join(commands) + "\n]}\n"


def _replace(family: str, name: str, *, again: bool) -> Iterator[str]:
    """Yield the commands that replace a table by an empty one, or by none unless ``again``. A table that is to be
    deleted has to exist, and ``destroy`` needs Linux 6.3: so it is added first."""
    for verb in ("add", "delete", "add")[: 3 if again else 2]:
        yield _command(verb, "table", {"family": family, "name": name})


def _commands(family: str, table: Table) -> Iterator[str]:
    """Yield the commands that fill a table, each object after those that it names.

    nft 1.0.6 sends the elements of a map of ranges along with the map, wherever they stand: so maps of verdicts come
    after the chains that their elements lead to.
    """
    place: dict[str, Json] = {"family": family, "table": table.name}
    leading = next((at for at, chain in enumerate(table.chains.values()) if _asks_for_verdict(chain)), None)
    verdicts = {name: named for name, named in table.sets.items() if named.declaration.data == VERDICT}
    for name, named in table.sets.items():
        if name not in verdicts:
            yield _command("add", named.kind, place | {"name": name} | named.declaration.fields())
    for at, (name, chain) in enumerate(table.chains.items()):
        if at == leading:
            for map, named in verdicts.items():
                yield _command("add", named.kind, place | {"name": map} | named.declaration.fields())
        yield from _chain(place, name, chain)
    printer = ElementPrinter()
    for name, named in table.sets.items():
        if named.elements:
            head = _command("add", "element", place | {"name": name, "elem": []}).removesuffix("]}}}")
            yield head + "\n    " + "\n  , ".join(printer.lines(named.declaration, named.elements)) + "\n  ]}}}"


def _asks_for_verdict(chain: Chain) -> bool:
    return any(isinstance(made, VerdictMap) and isinstance(made.map, Named) for rule in chain.rules for made in rule)


def _chain(place: dict[str, Json], name: str, chain: Chain) -> Iterator[str]:
    yield _command("add", "chain", place | {"name": name} | chain.fields())
    for rule in chain.rules:
        yield _command("add", "rule", place | {"chain": name} | fields(rule))


def _command(verb: str, kind: str, body: dict[str, Json]) -> str:
    return json.dumps({verb: {kind: body}})
