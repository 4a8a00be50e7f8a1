"""Paths on the command line."""

from __future__ import annotations

from typing import Any

import click

#: What the command line's context remembers: that ``-`` was a word.
_STDIN = f"{__name__}.stdin"


class FilePath(click.Path):
    """click's own, but for two words.

    An empty one, as that of a variable that a script has not set, is none: Python has it for the current directory. And
    ``-`` may stand once: who reads standard input a second time finds nothing in it, and takes that for an empty file.
    """

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if value == "":
            self.fail("it is empty", param, ctx)
        if value == "-" and self.allow_dash and ctx is not None:
            if _STDIN in ctx.meta:
                self.fail("standard input (-) can be read only once", param, ctx)
            ctx.meta[_STDIN] = True
        return super().convert(value, param, ctx)
