"""Objects as text: a JSON document with a line per command and a line per element.

Lines begin with the comma, so that a new element, set or rule is a new line and changes no other one.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator

from svcc.targets.nft.expressions import Json
from svcc.targets.nft.objects import Chain, Elements, Object, Set, Table


def document(tables: Iterable[tuple[Table, Iterable[Object]]]) -> str:
    """The document that replaces each table, whatever it holds, by one with these objects (none: by nothing)."""
    filled = [(table, list(objects)) for table, objects in tables]
    commands = [line for table, objects in filled for line in _replace(table, bool(objects))]
    commands += [line for table, objects in filled for part in objects for line in _commands(table, part)]
    return '{"nftables": [\n  ' + "\n, ".join(commands) + "\n]}\n"


def _replace(table: Table, again: bool) -> Iterator[str]:
    """Deleting needs the table to be there, and ``destroy`` needs Linux 6.3: so it is added first."""
    for verb in ("add", "delete", "add")[: 3 if again else 2]:
        yield _command(verb, "table", {"family": table.family, "name": table.name})


def _commands(table: Table, part: Object) -> Iterator[str]:
    place: dict[str, Json] = {"family": table.family, "table": table.name}
    match part:
        case Set():
            yield _command("add", part.kind, place | part.fields())
        case Chain():
            yield _command("add", "chain", place | part.fields())
            for rule in part.rules:
                expressions: Json = [statement.json() for statement in rule]
                yield _command("add", "rule", place | {"chain": part.name, "expr": expressions})
        case Elements():
            head = _command("add", "element", place | {"name": part.name, "elem": []}).removesuffix("]}}}")
            yield head + "\n    " + "\n  , ".join(part.lines) + "\n  ]}}}"


def _command(verb: str, kind: str, fields: Json) -> str:
    return json.dumps({verb: {kind: fields}})
