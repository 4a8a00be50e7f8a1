"""For the tests of the nft target: a program that uses everything, and its artifact as objects."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from svcc.compiler import ir
from svcc.compiler.load import load_text
from svcc.compiler.report import as_text
from svcc.compiler.source import Source
from svcc.targets.capability import check_target
from svcc.targets.nft import TARGET

EVERYTHING = Path(__file__).with_name("nft_everything.dsl").read_text(encoding="utf-8")


def program(text: str) -> ir.Program:
    loaded = load_text(Source("test.dsl", text))
    assert loaded.program is not None, as_text(loaded.diagnostics)
    return loaded.program


def render(program: ir.Program, node: str | None = None) -> str:
    """Return the artifact's text, after the checks that the command line makes."""
    chosen = None if node is None else program.node(node)
    assert check_target(program, TARGET, chosen) == []
    return TARGET.render(program, chosen).artifacts[0].text


@dataclass
class Table:
    """A table of an artifact, with what is in it by name."""

    chains: dict[str, dict[str, Any]] = field(default_factory=dict)  # the attributes that make a base chain
    rules: dict[str, list[list[Any]]] = field(default_factory=dict)  # by chain
    sets: dict[str, dict[str, Any]] = field(default_factory=dict)  # sets and maps
    elements: dict[str, list[Any]] = field(default_factory=dict)


def tables(text: str) -> dict[str, Table]:
    """Return the tables by family. Every command is taken in order, as the kernel does: nothing may be named too
    early."""
    found: dict[str, Table] = {}
    for verb, kind, fields in commands(text):
        if kind == "table":
            assert verb in ("add", "delete")
            found.pop(fields["family"], None)
            if verb == "add":
                found[fields["family"]] = Table()
            continue
        assert verb == "add"
        table = found[fields.pop("family")]
        fields.pop("table")
        if kind == "chain":
            assert table.chains.setdefault(fields.pop("name"), fields) is fields
        elif kind in ("set", "map"):
            assert table.sets.setdefault(fields.pop("name"), fields) is fields
        elif kind == "rule":
            _assert_known(table, fields["expr"])
            assert fields["chain"] in table.chains
            table.rules.setdefault(fields["chain"], []).append(fields["expr"])
        else:
            assert kind == "element"
            assert fields["name"] in table.sets
            _assert_known(table, fields["elem"])
            assert table.elements.setdefault(fields["name"], fields["elem"]) is fields["elem"]
    return found


def commands(text: str) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for command in json.loads(text)["nftables"]:
        ((verb, body),) = command.items()
        ((kind, fields),) = body.items()
        yield verb, kind, fields


def _assert_known(table: Table, value: Any) -> None:
    """Check that everything that a rule or an element names exists already."""
    for name in referred(value):
        assert name.removeprefix("@") in (table.sets if name.startswith("@") else table.chains), name


def referred(value: Any) -> Iterator[str]:
    """Yield the sets (``@name``) and chains that a rule or an element names."""
    if isinstance(value, str) and value.startswith("@"):
        yield value
    elif isinstance(value, dict):
        if "target" in value:
            yield value["target"]
        for inner in value.values():
            yield from referred(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from referred(inner)
