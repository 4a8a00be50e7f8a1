"""Finds where a statement of a text begins and ends, and the blocks around it, also where the text has errors."""

from __future__ import annotations

import re
from dataclasses import dataclass

from lark import UnexpectedInput, UnexpectedToken

_PLACEHOLDER = r"(?:\{\{[^{}\n]{0,200}\}\}|\{%[^{}\n]{0,200}%\}|\$\{[^{}\n]{0,200}\})"
#: A placeholder of a template, and the rest of the statement that it stands in, as far as it is looked at.
TEMPLATE = re.compile(rf"{_PLACEHOLDER}(?:{_PLACEHOLDER}|[^;{{}}\n]){{0,400}}")
_BELOW = re.compile(r"(?:[\s;]|#[^\n]*\n)+\{")  # what may stand between the name of a block and its brace
_LET = re.compile(r"\s*let\s")
_MARKS = re.compile(r'"[^"\n]*"|#[^\n]*|[{}\[\];\n]')


@dataclass(frozen=True, slots=True)
class Place:
    """The place of an offset: the start of its statement, and the offsets of the blocks around it."""

    start: int
    blocks: tuple[tuple[int, int], ...]  # (start of the statement that opens the block, offset of its "{")

    def keyword(self, text: str) -> str:
        """Return the keyword of the innermost block, "" at the top of the file."""
        if not self.blocks:
            return ""
        return self.keyword_of(text, -1)

    def keyword_of(self, text: str, block: int) -> str:
        """Return the keyword of a block, "" where it has none. ``block``: its index among ``blocks``."""
        words = text[slice(*self.blocks[block])].split()
        return words[0] if words else ""


def place_of(text: str, offset: int, begin: int = 0) -> Place:
    """Return the place of an offset. ``begin``: an earlier offset at the top of the file."""
    start, listing = begin, 0
    blocks: list[tuple[int, int]] = []
    for mark in _MARKS.finditer(text, begin, offset):
        sign = mark.group()
        if sign in "[]":
            listing = max(0, listing + (1 if sign == "[" else -1))
        elif sign == "{":
            blocks.append((start, mark.start()))
            start, listing = mark.end(), 0
        elif sign == "}":
            if blocks:
                blocks.pop()
            start = mark.end()
        elif sign in ";\n" and _ends(sign, listing, let=_is_let(text, start)):
            start = mark.end()
    return Place(start + _leading(text, start, offset), tuple(blocks))


def _is_let(text: str, start: int) -> bool:
    return _LET.match(text, start) is not None


def _ends(sign: str, listing: int, *, let: bool) -> bool:
    """Whether a line's end or a `;` ends the statement: no line ends a list, and no `;` that of a let."""
    return not listing or (sign == ";" and not let)


def _leading(text: str, start: int, offset: int) -> int:
    return len(text[start:offset]) - len(text[start:offset].lstrip())


def statement_at(text: str, offset: int, begin: int) -> tuple[int, int]:
    """Return start and end of the statement around an offset, with the whole block that it opens.

    ``begin`` is an earlier offset at which a statement begins at the top of the file. The result is empty (start = end)
    where the block that the statement opens, or is in, never ends.
    """
    place = place_of(text, offset, begin)
    if (template := TEMPLATE.match(text, offset)) is not None:
        return place.start, template.end()
    depth = listing = 0
    let = _is_let(text, place.start)
    for mark in _MARKS.finditer(text, place.start):
        sign = mark.group()
        if sign == "{":
            depth, listing = depth + 1, 0
        elif sign == "}":
            if mark.start() < offset:
                continue
            if depth <= 1:
                alone = place.start == mark.start()
                return place.start, mark.end() if depth or alone else mark.start()
            depth -= 1
        elif sign in "[]":
            listing = max(0, listing + (1 if sign == "[" else -1))
        elif sign in ";\n" and not depth and mark.start() >= offset and _ends(sign, listing, let=let):
            return place.start, mark.start()
    return offset, offset


def brace_below(error: UnexpectedInput, text: str) -> int | None:
    """Return the offset of a `{` that stands below the name of its block, where that is the error. Else return None."""
    if not isinstance(error, UnexpectedToken) or error.token.type != "_END":
        return None
    found = _BELOW.match(text, error.token.start_pos or 0)
    return found.end() - 1 if found and "LBRACE" in (error.accepts or error.expected) else None
