"""A unified difference of two texts that say the same in different layouts, in time that grows linearly with the texts.

difflib compares each line of a changed stretch with each other one. Here both texts are first cut into pieces: before
lines that occur once in each text, blanks aside, and in the same order in both. difflib then compares one pair of
pieces at a time.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher
from io import StringIO
from typing import Literal, TypeAlias

_OpCode: TypeAlias = tuple[Literal["replace", "delete", "insert", "equal"], int, int, int, int]


def line_diff(before: str, after: str, name: str, name_after: str) -> str:
    """Return the texts' unified difference; "" where they are the same."""
    old, new = (list(StringIO(text, "\n")) for text in (before, after))
    hunks = list(_Pieces(old, new).get_grouped_opcodes())
    lines = [f"--- {name}\n", f"+++ {name_after}\n"] if hunks else []
    for hunk in hunks:
        lines += _hunk(old, new, hunk)
    return "".join(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines)


class _Pieces(SequenceMatcher[str]):
    """A matcher that compares the texts piece by piece."""

    def __init__(self, old: Sequence[str], new: Sequence[str]) -> None:
        super().__init__(a=(), b=())
        self._old, self._new = old, new

    def get_opcodes(self) -> list[_OpCode]:
        found: list[_OpCode] = []
        at = new_at = 0
        for end, new_end in (*_cuts(self._old, self._new), (len(self._old), len(self._new))):
            piece = SequenceMatcher(None, self._old[at:end], self._new[new_at:new_end], autojunk=False)
            for tag, a, b, c, d in piece.get_opcodes():
                _add(found, (tag, a + at, b + at, c + new_at, d + new_at))
            at, new_at = end, new_end
        return found


def _add(found: list[_OpCode], code: _OpCode) -> None:
    """Add an operation; where it and the last one both keep their lines, make one of the two."""
    if found and found[-1][0] == code[0] == "equal":
        tag, start, _, new_start, _ = found.pop()
        code = (tag, start, code[2], new_start, code[4])
    found.append(code)


def _cuts(old: Sequence[str], new: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Yield the numbers of the lines, from 0, before which both texts are cut."""
    places, last = _single(new), -1
    for line, number in _single(old).items():
        if (new_at := places.get(line, -1)) > last:
            yield number, new_at
            last = new_at


def _single(lines: Sequence[str]) -> dict[str, int]:
    """Return each line that occurs once, without blanks, with its number."""
    bare = ["".join(line.split()) for line in lines]
    counts = Counter(bare)
    return {line: number for number, line in enumerate(bare) if counts[line] == 1}


def _hunk(old: Sequence[str], new: Sequence[str], codes: Sequence[tuple[str, int, int, int, int]]) -> Iterator[str]:
    first, last = codes[0], codes[-1]
    yield f"@@ -{_range(first[1], last[2])} +{_range(first[3], last[4])} @@\n"
    for tag, start, end, new_start, new_end in codes:
        if tag == "equal":
            yield from (f" {line}" for line in old[start:end])
        else:
            yield from (f"-{line}" for line in old[start:end])
            yield from (f"+{line}" for line in new[new_start:new_end])


def _range(start: int, end: int) -> str:
    """Return a range of lines as a hunk's head has it: counted from 1; where it is empty, by the line before it."""
    length = end - start
    if length == 1:
        return str(start + 1)
    return f"{start + 1 if length else start},{length}"
