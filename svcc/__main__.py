"""The command line's entrance: ``svcc`` and ``python -m svcc``."""

from __future__ import annotations

import gc
import os
import sys
from importlib import import_module

import click

from svcc.exits import Exit

#: Commands and what they do. Each is the module of its name in ``svcc.commands``, imported when it is called.
COMMANDS = ("check", "compile", "doctor", "lab", "verify")


class _Commands(click.Group):
    """Finds commands by name without importing the others."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        command = import_module(f"svcc.commands.{name}").command
        assert isinstance(command, click.Command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        from svcc.compiler.suggest import did_you_mean

        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            hint = did_you_mean(args[0], COMMANDS)
            ctx.fail(f"no command `{args[0]}`" + (f": {hint}" if hint else ""))
        return super().resolve_command(ctx, args)


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="svcc", message="svcc %(version)s")
def svcc() -> None:
    """Compile services (virtual addresses, ports, node ports and their endpoints) to Linux's own rule files."""


def main() -> None:
    """Run the command line. A reader that goes away ends it quietly, an interrupt with status 130."""
    gc.disable()  # a command ends before cycles matter, and searching a large program for them takes a quarter of it
    try:
        svcc.main(prog_name="svcc", standalone_mode=True)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(Exit.DONE)


if __name__ == "__main__":
    main()
