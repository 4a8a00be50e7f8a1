"""The layout of help: examples below each command, and lists of commands with whole sentences."""

from __future__ import annotations

import click

_EXAMPLES = "Examples:"


def examples(*lines: str, more: str = "") -> str:
    """Return the end of a command's help: example command lines, and the text ``more`` after them."""
    shown = "\n".join(f"  {line}" for line in lines)
    return f"\b\n{_EXAMPLES}\n{shown}" + (f"\n\n\b\n{more}" if more else "")


def examples_of(command: click.Command) -> list[str]:
    """Return the example command lines in a command's help."""
    _, found, after = (command.epilog or "").partition(f"{_EXAMPLES}\n")
    return [line.strip() for line in after.split("\n\n")[0].splitlines()] if found else []


def sentence_of(command: click.Command) -> str:
    """Return the whole first sentence of a command's help."""
    return command.get_short_help_str(limit=1_000)


def commands_of(group: click.Group, ctx: click.Context) -> list[tuple[str, str]]:
    """Return the names of a group's commands, each with its sentence."""
    found = ((name, group.get_command(ctx, name)) for name in group.list_commands(ctx))
    return [(name, sentence_of(one)) for name, one in found if one is not None]


class Commands(click.Group):
    """A group whose help gives the whole first sentence of each command; click's own group cuts it off at 45
    characters."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(commands_of(self, ctx))
