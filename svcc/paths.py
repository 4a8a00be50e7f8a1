"""Paths on the command line."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click

from svcc.compiler.files import resolved

#: The key in click's context that says that ``-`` was given.
_STDIN = f"{__name__}.stdin"


class FilePath(click.Path):
    """A path, as click has it, that refuses two values more, and calls a file by that name only.

    An empty path, as from a variable that a script has not set: Python would take it for the current directory. And a
    second ``-``: standard input has nothing left when it is read again, and would be taken for an empty file.
    """

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if value == "":
            self.fail("it is empty", param, ctx)
        if value == "-" and self.allow_dash and ctx is not None:
            if _STDIN in ctx.meta:
                self.fail("standard input (-) can be read only once", param, ctx)
            ctx.meta[_STDIN] = True
        if not self.file_okay and os.path.isfile(value):
            self.fail(f"{value!r} is a file, and no folder", param, ctx)
        return super().convert(value, param, ctx)


def need_no_input(option: str, output: Path | None, inputs: Iterable[str | Path]) -> None:
    """Refuse an output in the place of an input, which would be lost. ``-`` among the inputs is standard input. Errors:
    UsageError."""
    if output is not None and any(_is_input(output, one) for one in inputs):
        raise click.UsageError(f"{option} {output}: this is what the command reads, and would be lost")


def is_same_file(one: Path, other: str | Path) -> bool:
    """Whether two paths lead to one file, which may not exist yet."""
    try:
        return os.path.samefile(one, other)
    except OSError:
        return resolved(one) == resolved(other)


def _is_input(output: Path, given: str | Path) -> bool:
    if not output.is_file():  # a terminal, /dev/null and a pipe lose nothing
        return False
    if given != "-":
        return is_same_file(output, given)
    try:
        found = os.fstat(0)
    except OSError:  # standard input is closed
        return False
    return stat.S_ISREG(found.st_mode) and os.path.samestat(found, output.stat())
