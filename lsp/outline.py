"""Finds the items of a file quickly, also in a text that does not parse at the moment.

An item is scanned only once, however often the text around it changes.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from svcc.compiler.syntax_error import STATEMENTS
from svcc.lsp.names import Scanned, scan

_SKIPPED = r'"[^"\n]*"|#[^\n]*'
_BETWEEN = re.compile(rf"{_SKIPPED}|[{{}}\[\];\n]")
_WITHIN = re.compile(rf"{_SKIPPED}|[{{}}]")
_GAP = re.compile(r"(?:[\s;]++|#[^\n]*+|(?!).)*+")
#: Matches the beginning of an item, also where the item before it has no end.
_HEAD = re.compile(rf"^(?:{'|'.join(STATEMENTS[''])})(?=[ \t])", re.MULTILINE)
#: After this many items without an end, the next item's beginning counts as the end at once: searching further would
#: take time by the square of the text's length.
_UNENDED = 20


@dataclass(frozen=True, slots=True)
class Item:
    """A statement between blocks, or a block: the characters ``start`` to ``end`` (exclusive) of its text."""

    start: int
    end: int
    scanned: Scanned


class Outline:
    """The items of one text, in order."""

    def __init__(self, text: str, before: Outline | None = None) -> None:
        """``before``: the outline of the text before a change, most of which is still valid."""
        known = {} if before is None else before._known
        self.text = text
        self._known: dict[str, Scanned] = {}
        items: list[Item] = []
        for start, end in _pieces(text):
            piece = text[start:end]
            scanned = self._known.get(piece) or known.get(piece) or scan(piece)
            self._known[piece] = scanned
            items.append(Item(start, end, scanned))
        self.items: Sequence[Item] = items
        self._starts = [item.start for item in items]

    def item_at(self, offset: int) -> Item | None:
        """Return the item around an offset, or ending there. Return None where there is none."""
        at = bisect_right(self._starts, offset) - 1
        return self.items[at] if at >= 0 and offset <= self.items[at].end else None


def _pieces(text: str) -> Iterator[tuple[int, int]]:
    at, unended = 0, 0
    while (start := _after_gap(text, at)) < len(text):
        end = _end(text, start, len(text))
        if end is None:
            unended += 1
            head = _HEAD.search(text, start + 1)
            stop = len(text) if head is None else head.start()
            while unended > _UNENDED and head is not None and _end(text, start, stop) is None:
                yield start, stop
                start = stop
                head = _HEAD.search(text, start + 1)
                stop = len(text) if head is None else head.start()
            end = _end(text, start, stop) or stop
        at = max(end, start + 1)
        yield start, at


def _after_gap(text: str, at: int) -> int:
    found = _GAP.match(text, at)
    return at if found is None else found.end()


def _end(text: str, start: int, stop: int) -> int | None:
    """Return where the item that begins at ``start`` ends. Return None where it has not ended by ``stop``."""
    listing = depth = 0
    at = start
    while True:
        found = (_WITHIN if depth else _BETWEEN).search(text, at, stop)
        if found is None:
            return None if depth or listing else stop
        sign, at = found.group(), found.end()
        if listing and sign in "{}":
            return None
        if sign == "{":
            depth += 1
        elif sign == "}":
            if depth <= 1:
                return at
            depth -= 1
        elif sign in "[]":
            listing = max(0, listing + (1 if sign == "[" else -1))
        elif not depth and not listing and (sign in ";\n" or sign[0] == "#"):
            return found.start()
