"""Man pages, made from the commands themselves: svcc(8), and svcc-COMMAND(8) for each command and group below it.

Their form is man(7)'s. What is true of all commands (exit codes, files, environment) is only in svcc(8).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from inspect import cleandoc

import click

from svcc.command_line import svcc
from svcc.exits import Exit
from svcc.help import commands_of, examples_of, sentence_of

_SECTION = 8
_ENVIRONMENT = {
    "SVCC_STATE_DIR": "Where generations are kept, unless --state-dir says it.",
    "NO_COLOR": "Nothing is coloured.",
}
_FILES = {
    "/var/lib/svcc": "What was applied: generations, and what waits to be confirmed.",
    "/etc/svcc/svcc.dsl": "The program that svcc-agent@TARGET.service follows.",
    "/etc/default/svcc-agent": "Further options of that service: OPTIONS=--listen 9469",
}
_SEE = ("nft", "iptables", "ipvsadm", "ipset", "ip", "systemd.unit")


def pages(version: str, date: str = "") -> dict[str, str]:
    """Return the text of every page, by its name: "svcc", "svcc-fleet-history". ``date``: of the sources, as
    2026-11-29."""
    return {name: "".join(f"{line}\n" for line in _page(context, version, date)) for name, context in _commands()}


def _commands(context: click.Context | None = None) -> Iterator[tuple[str, click.Context]]:
    """Yield each command's context, with the name of its page."""
    if context is None:
        context = click.Context(svcc, info_name="svcc", **svcc.context_settings)
    yield _name(context), context
    command = context.command
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            assert below is not None
            yield from _commands(click.Context(below, info_name=name, parent=context))


def _name(context: click.Context) -> str:
    return context.command_path.replace(" ", "-")


def _page(context: click.Context, version: str, date: str) -> Iterator[str]:
    command, name = context.command, _name(context)
    text = cleandoc(command.help or "").replace("\f", "")
    yield f'.TH {name.upper()} {_SECTION} "{date}" "svcc {version}" "System administration"'
    yield ".SH NAME"
    yield f"{_escaped(name)} \\- {_escaped(sentence_of(command).rstrip('.'))}"
    yield ".SH SYNOPSIS"
    yield f".B {_escaped(context.command_path)}"
    yield _escaped(" ".join(command.collect_usage_pieces(context)))
    yield ".SH DESCRIPTION"
    yield from _paragraphs(text)
    yield from _defined("OPTIONS", _options(context))
    if isinstance(command, click.Group):
        yield from _defined("COMMANDS", commands_of(command, context))
    if lines := examples_of(command):
        yield from (".SH EXAMPLES", ".nf", *map(_escaped, lines), ".fi")
    if context.parent is None:
        yield from _defined("EXIT STATUS", [(str(int(code)), code.meaning + ".") for code in Exit])
        yield from _defined("FILES", [*_FILES.items()])
        yield from _defined("ENVIRONMENT", [*_ENVIRONMENT.items()])
    yield ".SH SEE ALSO"
    yield ", ".join(f"\\fB{_escaped(page)}\\fP({section})" for page, section in _related(context))


def _options(context: click.Context) -> list[tuple[str, str]]:
    options = (one for one in context.command.get_params(context) if isinstance(one, click.Option))
    records = [option.get_help_record(context) for option in options]
    return [record for record in records if record is not None]


def _related(context: click.Context) -> Iterator[tuple[str, int]]:
    """Yield the pages above and below this one; for svcc(8) also the tools that svcc works with."""
    if context.parent is not None:
        yield _name(context.parent), _SECTION
    if isinstance(context.command, click.Group):
        yield from ((f"{_name(context)}-{name}", _SECTION) for name in context.command.list_commands(context))
    if context.parent is None:
        yield from ((name, 5 if name == "systemd.unit" else 8) for name in _SEE)


def _defined(title: str, rows: list[tuple[str, str]]) -> Iterator[str]:
    if rows:
        yield f".SH {title}"
    for term, about in rows:
        yield from (".TP", f"\\fB{_escaped(term)}\\fP", _marked(" ".join(about.split())))


def _paragraphs(text: str) -> Iterator[str]:
    """Yield the paragraphs of a help text; indented ones are command lines."""
    for number, paragraph in enumerate(text.split("\n\n")):
        if number:
            yield ".PP"
        if paragraph.startswith(" "):
            yield from (".nf", *(_escaped(line) for line in paragraph.splitlines()), ".fi")
        else:
            yield _marked(" ".join(paragraph.split()))


def _marked(text: str) -> str:
    """Return the text with what is between backquotes in bold."""
    return re.sub(r"`([^`]+)`", r"\\fB\1\\fP", _escaped(text))


def _escaped(text: str) -> str:
    """Return a text that troff prints as it is (groff_char(7)): no line of it is a request."""
    text = text.replace("\\", "\\e").replace("-", "\\-").replace("^", "\\(ha").replace("~", "\\(ti")
    return f"\\&{text}" if text.startswith((".", "'")) else text
