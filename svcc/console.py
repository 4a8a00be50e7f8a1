"""The console that tables are printed to."""

from __future__ import annotations

import sys

from rich.console import Console

#: Columns where standard output is no terminal: whoever reads it there wants whole lines.
_WIDTH = 1_000_000


def console() -> Console:
    """Standard output. Text is taken as it is: brackets and colons belong to addresses, not to rich's markup."""
    width = None if sys.stdout.isatty() else _WIDTH
    return Console(width=width, markup=False, emoji=False, highlight=False)
