"""Paths on the command line."""

from __future__ import annotations

import os
from typing import Any

import click

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
