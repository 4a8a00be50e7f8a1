"""Long tables as text: a row is made in a few microseconds."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator, Sequence

from svcc.tables import table

_GAP = "  "
_CUT = "…"
#: How many characters a column keeps on a narrow terminal.
_LEAST = 8


def columns(heads: Sequence[str], rows: Sequence[Sequence[str]], right: frozenset[int] = frozenset()) -> Iterator[str]:
    """Yield the lines of a table, without line ends. ``right``: the columns of numbers. Rows may lack their last cells.

    On a terminal the widest columns are cut so that each row fits a line; elsewhere nothing is ever cut. Where two
    different cells of a column would look alike when they are cut, or the table is still too wide, each row becomes a
    paragraph (:func:`svcc.tables.table`).
    """
    every = [heads, *(row if len(row) == len(heads) else (*row, *[""] * (len(heads) - len(row))) for row in rows)]
    widths = [max(map(len, column)) for column in zip(*every, strict=True)]
    if sys.stdout.isatty():
        room = shutil.get_terminal_size().columns
        widths = fitting(widths, room)
        if _wide(widths) > room or any(_alike(*one) for one in zip(zip(*every, strict=True), widths, strict=True)):
            yield from table(heads, [*map(tuple, every[1:])], right=right)
            return
        every = [[_cut(cell, width) for cell, width in zip(row, widths, strict=True)] for row in every]
    form = _GAP.join(f"{{:{'>' if at in right else '<'}{width}}}" for at, width in enumerate(widths))
    for row in every:
        yield form.format(*row).rstrip()


def _wide(widths: Sequence[int]) -> int:
    return sum(widths) + len(_GAP) * (len(widths) - 1)


def _alike(column: Sequence[str], width: int) -> bool:
    """Whether cells that differ look the same when they are cut."""
    cells = {*column}
    return len({_cut(cell, width) for cell in cells}) < len(cells)


def _cut(cell: str, width: int) -> str:
    return cell if len(cell) <= width else cell[: width - 1] + _CUT


def fitting(widths: Sequence[int], limit: int) -> list[int]:
    """Return widths that fit a line of ``limit`` characters, if that is possible. The widest columns are narrowed
    first, each to 8 characters at least."""
    found = [*widths]
    over = _wide(found) - limit
    while over > 0 and max(found, default=0) > _LEAST:
        found[found.index(max(found))] -= 1
        over -= 1
    return found
