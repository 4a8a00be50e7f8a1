"""Tables as text, for those that may be long: a row is made in a few microseconds."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator, Sequence

_GAP = "  "
_CUT = "…"
#: Characters that a column keeps on a narrow terminal.
_LEAST = 8


def columns(heads: Sequence[str], rows: Sequence[Sequence[str]], right: frozenset[int] = frozenset()) -> Iterator[str]:
    """The lines of a table, without their ends. ``right``: the columns of numbers. Rows may lack their last cells.

    On a terminal the widest columns are cut so that a row is a line; elsewhere nothing is ever cut.
    """
    widths = [len(head) for head in heads]
    for row in rows:
        for at, cell in enumerate(row):
            if len(cell) > widths[at]:
                widths[at] = len(cell)
    if sys.stdout.isatty():
        widths = fitting(widths, shutil.get_terminal_size().columns)
    form = _GAP.join(f"{{:{'>' if at in right else '<'}{width}.{width}}}" for at, width in enumerate(widths))
    for row in (heads, *rows):
        cells = [*row, *[""] * (len(heads) - len(row))]
        short = [c if len(c) <= width else c[: width - 1] + _CUT for c, width in zip(cells, widths, strict=True)]
        yield form.format(*short).rstrip()


def fitting(widths: Sequence[int], limit: int) -> list[int]:
    """Widths that fit a line of ``limit`` characters, if they can: the widest give way first, each down to a few."""
    found = [*widths]
    over = sum(found) + len(_GAP) * (len(found) - 1) - limit
    while over > 0 and max(found, default=0) > _LEAST:
        found[found.index(max(found))] -= 1
        over -= 1
    return found
