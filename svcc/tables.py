"""Short tables whose cells may hold sentences: nothing of them is ever cut."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator, Sequence
from textwrap import wrap

_GAP = "  "
#: Before the further lines of a row that is a paragraph.
_INDENT = "    "

#: The cells of a row; or a sentence about the row above, which is in no column.
Row = Sequence[str] | str


def table(
    heads: Sequence[str], rows: Sequence[Row], *, about: int = 2, right: frozenset[int] = frozenset()
) -> Iterator[str]:
    """Yield the lines of a table, without line ends. ``right``: the columns of numbers.

    On a terminal that is too narrow, each row becomes a paragraph: a line with its first cells, as many as ``about``
    says, and a line for each other cell, broken between words.
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
    """Whether each row of a table fits a line of standard output."""
    sentences = [len(_INDENT) + len(row) for row in rows if isinstance(row, str)]
    widths = _widths(heads, rows)
    return max(sum(widths) + len(_GAP) * (len(widths) - 1), *sentences, 0) <= _room()


def folded(text: str, indent: str = "") -> list[str]:
    """Return a text in lines that fit standard output; all but the first are indented. A long word stays whole."""
    if len(text) <= _room():
        return [text]
    return wrap(text, _room(), subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)


def _room() -> int:
    """Return the width of a line, in characters. A pipe has no limit."""
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
