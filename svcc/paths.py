"""Paths on the command line."""

from __future__ import annotations

from typing import Any

import click


class FilePath(click.Path):
    """click's own, but for a word that is empty, as that of a variable that a script has not set.

    Python has it for the current directory.
    """

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if value == "":
            self.fail("it is empty", param, ctx)
        return super().convert(value, param, ctx)
