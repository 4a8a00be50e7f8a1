"""Read a state from JSON: from the document of an artifact, or from what ``nft -n -j list table`` prints."""

from __future__ import annotations

import gc
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from svcc.kernel.json_values import Json, items, members, parsed, string
from svcc.kernel.nft.elements import read_elements
from svcc.kernel.nft.rules import chain, declaration, rule, table_text
from svcc.kernel.nft.state import FAMILIES, NamedSet, NftState, Table
from svcc.kernel.nft.statements import Rule

_LISTED_ONLY = ("metainfo",)


class _Builder:
    """Collects the objects of a table, and makes the table of them."""

    def __init__(self, fields: Mapping[str, Json]) -> None:
        self._name = string(fields["name"])
        self._attributes = table_text(fields)
        self._sets: dict[str, Json] = {}
        self._elements: dict[str, list[Json]] = {}
        self._chains: dict[str, Json] = {}
        self._rules: dict[str, list[Rule]] = {}
        self._others: list[tuple[str, str]] = []

    def add(self, kind: str, fields: Mapping[str, Json]) -> None:
        name = string(fields["chain" if kind == "rule" else "name"])
        if kind in ("set", "map"):
            self._sets[name] = fields
            self._elements.setdefault(name, []).extend(items(fields.get("elem", ())))
        elif kind == "element":
            self._elements[name].extend(items(fields["elem"]))
        elif kind == "chain":
            self._chains[name] = fields
            self._rules[name] = []
        elif kind == "rule":
            self._rules[name].append(rule(fields))
        else:
            self._others.append((kind, name))

    def table(self) -> Table:
        sets = {name: self._set(name, fields) for name, fields in self._sets.items()}
        chains = {name: chain(fields, self._rules[name]) for name, fields in self._chains.items()}
        return Table(self._name, self._attributes, sets, chains, tuple(sorted(self._others)))

    def _set(self, name: str, fields: Json) -> NamedSet:
        declared = declaration(fields)
        elements = () if declared.dynamic else self._elements[name]
        return NamedSet(declared, read_elements(elements, declared.types, is_map=declared.data is not None))


def read_listing(text: str) -> Table:
    """Return the table that a listing of nft shows. Releases 1.0.6 to 1.1.7 give equal tables.

    Errors: AssertionError, LookupError, TypeError, ValueError, where the text is no such listing.
    """
    with _uncollected():
        return _listed(text)


def _listed(text: str) -> Table:
    builder = None
    for entry in items(members(parsed(text))["nftables"]):
        ((kind, fields),) = members(entry).items()
        if kind == "table":
            builder = _Builder(members(fields))
        elif kind not in _LISTED_ONLY:
            assert builder is not None, "a listing begins with its table"
            builder.add(kind, members(fields))
    assert builder is not None, "the listing of a table has one"
    return builder.table()


def read_document(text: str, name: str | None = None) -> NftState:
    """Return the state that a document of the nft target makes. ``name``: the name that its tables must have; None:
    any.

    Errors: ValueError, with the line, where the text is no such document.
    """
    if not text.strip():
        return NftState()
    with _uncollected():
        return _obeyed(text, name)


def _obeyed(text: str, name: str | None) -> NftState:
    builders: dict[str, _Builder] = {}
    for number, command in enumerate(_commands(text)):
        try:
            _obey(builders, command, name)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            line = _line(text, number)
            raise ValueError(f"line {line}: not a command that svcc writes ({error!r})") from error
    return NftState({family: builders[family].table() for family in FAMILIES if family in builders})


def _commands(text: str) -> Sequence[Json]:
    """Return the commands of a document. Errors: ValueError, with the line."""
    try:
        return items(members(parsed(text))["nftables"])
    except json.JSONDecodeError as error:
        raise ValueError(f"line {error.lineno}: {error.msg}") from error
    except (KeyError, TypeError):
        raise ValueError("line 1: not a document for nft -j") from None


def _obey(builders: dict[str, _Builder], command: Json, name: str | None) -> None:
    ((verb, body),) = members(command).items()
    ((kind, given),) = members(body).items()
    fields = members(given)
    family = string(fields["family"])
    table = string(fields["name" if kind == "table" else "table"])
    if family not in FAMILIES or table != (table if name is None else name):
        raise ValueError(f"not our table: {family} {given}")
    if (verb, kind) == ("delete", "table"):
        builders.pop(family, None)
    elif verb != "add":
        raise ValueError(verb)
    elif kind == "table":
        builders.setdefault(family, _Builder(fields))
    else:
        builders[family].add(kind, fields)


def _line(text: str, number: int) -> int:
    """Return the number of a command's line. Each command begins a line; all but the first follow a comma there."""
    starts = [i for i, line in enumerate(text.splitlines(), 1) if line.startswith(("  {", ", {"))]
    return starts[number] if number < len(starts) else 1


@contextmanager
def _uncollected() -> Iterator[None]:
    """Switch Python's garbage collector off for the ``with`` block: with a hundred thousand new lists it would take
    most of the time of parsing JSON.

    All objects made in the block, except the result, should be gone at its end.
    """
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()
