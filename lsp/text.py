"""A text with positions as editors count them: by lines, and in these by the units agreed on (LSP 3.17, Position)."""

from __future__ import annotations

import re
from bisect import bisect_right
from itertools import accumulate
from typing import NamedTuple

_LINE_END = re.compile(r"\r\n|\n|\r")
#: The bytes of a unit, by the encoding in whose units positions are counted.
_WIDTHS = {"utf-8": 1, "utf-16": 2, "utf-32": 4}
_CODECS = {"utf-8": "utf-8", "utf-16": "utf-16-le", "utf-32": "utf-32-le"}


class Place(NamedTuple):
    """A line, from 0, and how many units of it come before the place."""

    line: int
    unit: int


class Text:
    """An immutable text. ``encoding`` is utf-8, utf-16 or utf-32."""

    __slots__ = ("_plain", "_starts", "content", "encoding")

    def __init__(self, content: str, encoding: str = "utf-16") -> None:
        self.content = content
        self.encoding = encoding
        self._starts: list[int] | None = None
        self._plain = content.isascii()  # each character is one unit in every encoding

    def place(self, offset: int) -> Place:
        """Return the place of a character's offset. Offsets beyond the end of the text count as its end."""
        starts = self._line_starts()
        offset = min(offset, len(self.content))
        line = bisect_right(starts, offset) - 1
        if self._plain:
            return Place(line, offset - starts[line])
        return Place(line, self._units(self.content[starts[line] : offset]))

    def offset(self, place: Place) -> int:
        """Return the offset of a place. A place beyond the end of its line, or of the text, counts as that end."""
        starts = self._line_starts()
        if place.line >= len(starts):
            return len(self.content)
        start = starts[place.line]
        last = place.line + 1 == len(starts)
        line = self.content[start:] if last else self.content[start : starts[place.line + 1]].rstrip("\r\n")
        return start + self._characters(line, place.unit)

    def edited(self, start: Place, end: Place, new: str) -> Text:
        """Return the text with the part between two places replaced."""
        first, last = sorted((self.offset(start), self.offset(end)))
        return Text(self.content[:first] + new + self.content[last:], self.encoding)

    def _line_starts(self) -> list[int]:
        if self._starts is None:
            if "\r" in self.content:
                self._starts = [0, *(found.end() for found in _LINE_END.finditer(self.content))]
            else:
                lengths = [len(line) + 1 for line in self.content.split("\n")]
                lengths.pop()
                self._starts = [*accumulate(lengths, initial=0)]
        return self._starts

    def _units(self, text: str) -> int:
        if text.isascii():
            return len(text)
        return len(text.encode(_CODECS[self.encoding], "surrogatepass")) // _WIDTHS[self.encoding]

    def _characters(self, line: str, units: int) -> int:
        """Return how many characters of a line fit into so many units. A character that would be cut is left out."""
        if line.isascii():
            return min(units, len(line))
        for count, character in enumerate(line):
            units -= self._units(character)
            if units < 0:
                return count
        return len(line)
