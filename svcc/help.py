"""Help: examples below each command, and lists of commands in which each sentence is whole."""

from __future__ import annotations

import click

_EXAMPLES = "Examples:"


def examples(*lines: str, more: str = "") -> str:
    """The end of a command's help: command lines that one may type, and more after them."""
    shown = "\n".join(f"  {line}" for line in lines)
    return f"\b\n{_EXAMPLES}\n{shown}" + (f"\n\n\b\n{more}" if more else "")


def examples_of(command: click.Command) -> list[str]:
    """The command lines that a command's help shows."""
    _, found, after = (command.epilog or "").partition(f"{_EXAMPLES}\n")
    return [line.strip() for line in after.split("\n\n")[0].splitlines()] if found else []


def sentence_of(command: click.Command) -> str:
    """The first sentence of a command's help, whole."""
    return command.get_short_help_str(limit=1_000)


def commands_of(group: click.Group, ctx: click.Context) -> list[tuple[str, str]]:
    """The commands of a group, each with its sentence."""
    found = ((name, group.get_command(ctx, name)) for name in group.list_commands(ctx))
    return [(name, sentence_of(one)) for name, one in found if one is not None]


class Commands(click.Group):
    """A group whose help gives the whole first sentence of each command; click's own cuts it off at 45 characters."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(commands_of(self, ctx))
