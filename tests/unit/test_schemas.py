"""The JSON Schemas of what commands print: each command that prints JSON has one, and they follow one style."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import click
import pytest
from jsonschema import Draft202012Validator

from support.schemas import SCHEMAS, read
from svcc.command_line import COMMANDS, svcc

#: Commands whose JSON is another's, or has a name of its own.
_CALLED = {"check": "diagnostics", "lab status": "lab", "lab up": "lab", "agent status": "agent"}
_CALLED |= {
    "fleet status": "fleet",
    "fleet diff": "diff",
    "fleet history": "fleet_history",
    "fleet adopt": "fleet_adopt",
    "fleet forget": "fleet_forget",
    "export kubernetes": "export",
}

#: Commands that answer nothing: they run until they are ended, write a file, end a lab, or become another program.
_SILENT = {"agent run", "init", "lab down", "lab exec", "lsp", "man", "register"}


def commands() -> Iterator[tuple[str, click.Command]]:
    """Every command that can be called, by its name."""
    context = click.Context(svcc)
    for name in COMMANDS:
        command = svcc.get_command(context, name)
        assert command is not None
        inner = command.commands.items() if isinstance(command, click.Group) else [("", command)]
        if not isinstance(command, click.Group) or command.invoke_without_command:
            yield name, command
        for more, one in inner:
            if more:
                yield f"{name} {more}", one


def answering() -> Iterator[str]:
    """The commands that print JSON."""
    for name, command in commands():
        if any("--json" in parameter.opts for parameter in command.params):
            yield name


def test_every_command_that_answers_prints_json() -> None:
    assert {name for name, _ in commands()} - {*answering()} == _SILENT


def test_every_command_that_prints_json_has_a_schema() -> None:
    found = {_CALLED.get(name, name) for name in answering()}
    assert found == SCHEMAS.keys()


@pytest.mark.parametrize("name", SCHEMAS)
def test_it_is_a_schema(name: str) -> None:
    Draft202012Validator.check_schema(read(SCHEMAS[name]))


def test_what_has_one_name_is_one_thing() -> None:
    """But for an installation, of which each command says something else."""
    seen: dict[str, object] = {}
    for path in SCHEMAS.values():
        for name, definition in read(path).get("$defs", {}).items():
            if name != "installation":
                assert seen.setdefault(name, definition) == definition, f"{name} in {path.name}"
    assert {"object", "change", "service", "place", "generation"} <= seen.keys()


def test_nothing_is_left_open() -> None:
    """Every object of fixed members names them all."""
    for path in SCHEMAS.values():
        for one in _objects(read(path)):
            assert one.get("additionalProperties") is False, f"{path.name}: {one}"
            assert {*one["required"]} <= {*one["properties"]}, f"{path.name}: {one}"


def _objects(schema: object) -> Iterator[dict[str, Any]]:
    if isinstance(schema, dict):
        if "properties" in schema and isinstance(schema["properties"], dict) and schema.get("type") == "object":
            yield schema
        for inner in schema.values():
            yield from _objects(inner)
    elif isinstance(schema, list):
        for inner in schema:
            yield from _objects(inner)
