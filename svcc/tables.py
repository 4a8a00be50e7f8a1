"""Tables of which nothing is cut, for those that are short and hold sentences."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator, Sequence
from textwrap import wrap

_GAP = "  "
#: Below what a row is about, where it is a paragraph.
_INDENT = "    "

#: Cells, or a sentence about the row above, which is in no column.
Row = Sequence[str] | str


def table(
    heads: Sequence[str], rows: Sequence[Row], *, about: int = 2, right: frozenset[int] = frozenset()
) -> Iterator[str]:
    """The lines of a table, without their ends. ``right``: the columns of numbers.

    A terminal that is too narrow gets a paragraph for each row instead: a line for what it is ``about``, its first
    cells, and one for each other cell, broken between words.
    """
    widths = _widths(heads, rows)
    if fits(heads, rows):
        form = _GAP.join(f"{{:{'>' if at in right else '<'}{width}}}" for at, width in enumerate(widths))
        for row in (heads, *rows):
            yield f"{_INDENT}{row}" if isinstance(row, str) else form.format(*row).rstrip()
    else:
        for row in rows:
            yield from _paragraph(heads, row, about)


def fits(heads: Sequence[str], rows: Sequence[Row]) -> bool:
    """Whether each row of a table is a line of standard output."""
    sentences = [len(_INDENT) + len(row) for row in rows if isinstance(row, str)]
    widths = _widths(heads, rows)
    return max(sum(widths) + len(_GAP) * (len(widths) - 1), *sentences, 0) <= _room()


def folded(text: str, indent: str = "") -> list[str]:
    """A text in lines that fit standard output; the second and later ones are indented. A long word is left whole."""
    if len(text) <= _room():
        return [text]
    return wrap(text, _room(), subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)


def _room() -> int:
    """Characters of a line; whoever reads a pipe wants whole lines."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else sys.maxsize


def _widths(heads: Sequence[str], rows: Sequence[Row]) -> list[int]:
    cells = [heads, *(row for row in rows if not isinstance(row, str))]
    return [max(map(len, column)) for column in zip(*cells, strict=True)]


def _paragraph(heads: Sequence[str], row: Row, about: int) -> Iterator[str]:
    if isinstance(row, str):
        yield from folded(f"{_INDENT}{row}", _INDENT)
        return
    first = " ".join(cell for cell in row[:about] if cell)
    yield from folded(first, _INDENT) if first else ()
    for head, cell in zip(heads[about:], row[about:], strict=True):
        if cell:
            yield from folded(f"{_INDENT}{f'{head}: ' if head else ''}{cell}", _INDENT * 2)
