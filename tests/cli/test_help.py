"""Help: whole sentences, and examples for each command that the command line accepts."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from support.command_line import environment, folder, program, svcc
from svcc.command_line import svcc as root
from svcc.help import examples_of


def commands(group: click.Group = root, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Every command below a group that is none itself, and its name on the command line."""
    context = click.Context(group)
    for name in group.list_commands(context):
        found = group.get_command(context, name)
        assert found is not None
        if isinstance(found, click.Group):
            yield from commands(found, (*path, name))
        else:
            yield (*path, name), found


ALL = dict(commands())
EXAMPLES = [(" ".join(name), line) for name, command in ALL.items() for line in examples_of(command)]


@pytest.mark.parametrize("name", ALL, ids=" ".join)
def test_help_has_examples_of_the_command(name: tuple[str, ...]) -> None:
    shown = svcc(*name, "--help").text
    lines = examples_of(ALL[name])
    called = " ".join(word for word in ("svcc", *name) if word != "run")  # `svcc agent FILE` is `svcc agent run FILE`
    assert lines
    assert all(called in line for line in lines)
    assert all(f"  {line}\n" in shown for line in lines)  # whatever the terminal's width, to be copied from there


def _own(line: str) -> Iterator[list[str]]:
    """The calls of svcc in a line, without what a shell makes of the rest of it."""
    call: list[str] = []
    for word in [*shlex.split(line), "|"]:
        if word in ("|", "&&"):
            if call[0] == "svcc":
                yield call[1 : call.index(">")] if ">" in call else call[1:]
            call = []
        else:
            call.append(word)


@pytest.mark.parametrize(("name", "line"), EXAMPLES)
def test_each_example_is_a_line_that_the_command_takes(name: str, line: str, tmp_path: Path) -> None:
    with folder(tmp_path):
        for arguments in _own(line):
            context = click.Context(root, info_name="svcc")
            command: click.Command = root
            while isinstance(command, click.Group):
                if command.name == "agent" and arguments[0] not in command.commands:
                    arguments = ["run", *arguments]
                found = command.get_command(context, arguments[0])
                assert found is not None
                command, arguments = found, arguments[1:]
            command.make_context(name, arguments, parent=context)


@pytest.mark.parametrize("group", [(), ("lab",), ("agent",), ("fleet",)], ids=str)
@pytest.mark.parametrize("columns", [60, 80])
def test_no_sentence_of_a_command_is_cut_off(group: tuple[str, ...], columns: int) -> None:
    """The list of commands has the first sentence of each command's own help."""
    _, _, listed = program(*group, "--help", env=environment(COLUMNS=str(columns))).text.partition("Commands:\n")
    assert max(map(len, listed.splitlines())) <= columns
    below = [name for name in ALL if name[: len(group)] == group and len(name) == len(group) + 1]
    assert below
    for name in below:
        sentence = " ".join((ALL[name].help or "").split("\n\n")[0].split()).partition(". ")[0].rstrip(".")
        assert "".join(sentence.split()) in "".join(listed.split()), name
