"""Source text and places in it."""

from __future__ import annotations

import re
from bisect import bisect_left
from dataclasses import dataclass, field
from itertools import accumulate
from typing import NamedTuple

_BLOCK = 1 << 16


@dataclass(frozen=True, slots=True, eq=False)
class Source:
    """A text that was read: its name as the user gave it (``-`` is standard input) and its content."""

    name: str
    text: str
    included: Span | None = None  # the place of the include statement that names it
    number: int = 0  # which one it is of the files that the statement names
    #: How many lines end before each block of :data:`_BLOCK` characters.
    _ended: list[int] = field(default_factory=list, repr=False)

    def is_json(self) -> bool:
        """Whether the text is in the JSON form, by its file's name or by how it begins; not where it begins like a
        template."""
        return self.name.endswith(".json") or re.match(r"\s*\{(?![{%#])", self.text) is not None

    def position(self, offset: int) -> tuple[int, int]:
        """Return line and column of a character offset, both counted from 1."""
        block = min(offset, len(self.text)) // _BLOCK
        line = self._lines_before()[block] + self.text.count("\n", block * _BLOCK, offset) + 1
        return line, offset - self.text.rfind("\n", 0, offset)

    def line(self, number: int) -> str:
        """Return the text of a line (from 1), without its line ending."""
        ended = self._lines_before()
        block = max(0, bisect_left(ended, number) - 1)  # the last block that begins before the line's end
        start, found = block * _BLOCK, ended[block]
        if found == number - 1:  # the line may begin before the block
            start = self.text.rfind("\n", 0, start) + 1
        while found < number - 1:
            start = self.text.index("\n", start) + 1
            found += 1
        end = self.text.find("\n", start)
        return self.text[start : len(self.text) if end < 0 else end].rstrip("\r")

    def _lines_before(self) -> list[int]:
        """Return the counts of lines, made at the first call.

        There may be as many lines as characters, so it does not list each line.
        """
        if not self._ended:
            counts = (self.text.count("\n", at, at + _BLOCK) for at in range(0, len(self.text), _BLOCK))
            self._ended[:] = accumulate(counts, initial=0)  # in one step, because other threads may use the list
        return self._ended


class Span(NamedTuple):
    """The characters ``start`` to ``end`` (exclusive, from 0) of a source."""

    source: Source
    start: int
    end: int


def reading_place(span: Span | None) -> tuple[int, ...]:
    """Return a sort key for places in the order in which a reader meets them, who reads a file where it is included."""
    if span is None:
        return ()
    source = span.source
    return (*reading_place(source.included), source.number, span.start) if source.included else (span.start,)
