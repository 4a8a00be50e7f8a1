"""From JSON to a state: the document of an artifact, and what ``nft -n -j list table`` prints."""

from __future__ import annotations

import gc
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from svcc.kernel.nft.elements import read_elements
from svcc.kernel.nft.rules import chain, declaration, rule, table_text
from svcc.kernel.nft.state import FAMILIES, NamedSet, NftState, Table
from svcc.kernel.nft.statements import Rule

_LISTED_ONLY = ("metainfo",)


class _Builder:
    """A table, object by object."""

    def __init__(self, fields: Any) -> None:
        self._name = str(fields["name"])
        self._attributes = table_text(fields)
        self._sets: dict[str, Any] = {}
        self._elements: dict[str, list[Any]] = {}
        self._chains: dict[str, Any] = {}
        self._rules: dict[str, list[Rule]] = {}
        self._others: list[tuple[str, str]] = []

    def add(self, kind: str, fields: Any) -> None:
        if kind in ("set", "map"):
            self._sets[fields["name"]] = fields
            self._elements.setdefault(fields["name"], []).extend(fields.get("elem", ()))
        elif kind == "element":
            self._elements[fields["name"]].extend(fields["elem"])
        elif kind == "chain":
            self._chains[fields["name"]] = fields
            self._rules[fields["name"]] = []
        elif kind == "rule":
            self._rules[fields["chain"]].append(rule(fields))
        else:
            self._others.append((kind, str(fields["name"])))

    def table(self) -> Table:
        sets = {name: self._set(name, fields) for name, fields in self._sets.items()}
        chains = {name: chain(fields, self._rules[name]) for name, fields in self._chains.items()}
        return Table(self._name, self._attributes, sets, chains, tuple(sorted(self._others)))

    def _set(self, name: str, fields: Any) -> NamedSet:
        declared = declaration(fields)
        items = () if declared.dynamic else self._elements[name]
        return NamedSet(declared, read_elements(items, declared.types, is_map=declared.data is not None))


def read_listing(text: str) -> Table:
    """The table that a listing shows, of any release from 1.0.6 to 1.1.7."""
    with _uncollected():
        return _listed(text)


def _listed(text: str) -> Table:
    builder = None
    for entry in json.loads(text)["nftables"]:
        ((kind, fields),) = entry.items()
        if kind == "table":
            builder = _Builder(fields)
        elif kind not in _LISTED_ONLY:
            assert builder is not None, "a listing begins with its table"
            builder.add(kind, fields)
    assert builder is not None, "the listing of a table has one"
    return builder.table()


def read_document(text: str, name: str | None = None) -> NftState:
    """What a document of the nft target makes of tables of that ``name``; None: whatever their name is.

    Errors: ValueError, with the line, where it is not such a document.
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


def _commands(text: str) -> list[Any]:
    """Errors: ValueError."""
    try:
        document = json.loads(text)
    except json.JSONDecodeError as error:
        raise ValueError(f"line {error.lineno}: {error.msg}") from error
    if not isinstance(document, dict) or not isinstance(document.get("nftables"), list):
        raise ValueError("line 1: not a document for nft -j")
    commands: list[Any] = document["nftables"]
    return commands


def _obey(builders: dict[str, _Builder], command: Any, name: str | None) -> None:
    ((verb, body),) = command.items()
    ((kind, fields),) = body.items()
    family = fields["family"]
    table = fields["name" if kind == "table" else "table"]
    if family not in FAMILIES or table != (table if name is None else name):
        raise ValueError(f"not our table: {family} {fields}")
    if (verb, kind) == ("delete", "table"):
        builders.pop(family, None)
    elif verb != "add":
        raise ValueError(verb)
    elif kind == "table":
        builders.setdefault(family, _Builder(fields))
    else:
        builders[family].add(kind, fields)


def _line(text: str, number: int) -> int:
    """The line of a command: each begins one, after a comma but for the first."""
    starts = [i for i, line in enumerate(text.splitlines(), 1) if line.startswith(("  {", ", {"))]
    return starts[number] if number < len(starts) else 1


@contextmanager
def _uncollected() -> Iterator[None]:
    """Without looking for garbage: a hundred thousand new lists would make that most of the time that JSON takes.

    What is made inside is to be gone at its end, but for the result.
    """
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()
