"""A unified difference of two texts that say the same in another layout, in time that grows as the texts do.

difflib compares each line of a changed stretch with each. Here the texts are cut first, before lines that each of
them has once, blanks aside, and in the same order; difflib then sees one piece at a time.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher
from io import StringIO
from typing import Literal, TypeAlias

_OpCode: TypeAlias = tuple[Literal["replace", "delete", "insert", "equal"], int, int, int, int]


def line_diff(before: str, after: str, name: str, name_after: str) -> str:
    """The texts' unified difference, "" where they are the same."""
    old, new = (list(StringIO(text, "\n")) for text in (before, after))
    hunks = list(_Pieces(old, new).get_grouped_opcodes())
    lines = [f"--- {name}\n", f"+++ {name_after}\n"] if hunks else []
    for hunk in hunks:
        lines += _hunk(old, new, hunk)
    return "".join(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines)


class _Pieces(SequenceMatcher[str]):
    """Compares piece by piece."""

    def __init__(self, old: Sequence[str], new: Sequence[str]) -> None:
        super().__init__(a=(), b=())
        self._old, self._new = old, new

    def get_opcodes(self) -> list[_OpCode]:
        found: list[_OpCode] = []
        at = there = 0
        for end, end_there in (*_cuts(self._old, self._new), (len(self._old), len(self._new))):
            piece = SequenceMatcher(None, self._old[at:end], self._new[there:end_there], autojunk=False)
            for tag, a, b, c, d in piece.get_opcodes():
                _add(found, (tag, a + at, b + at, c + there, d + there))
            at, there = end, end_there
        return found


def _add(found: list[_OpCode], code: _OpCode) -> None:
    """Add an operation, as one with the last if both keep their lines."""
    if found and found[-1][0] == code[0] == "equal":
        tag, start, _, start_there, _ = found.pop()
        code = (tag, start, code[2], start_there, code[4])
    found.append(code)


def _cuts(old: Sequence[str], new: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Numbers of the lines, from 0, before which both are cut."""
    places, last = _single(new), -1
    for line, number in _single(old).items():
        if (there := places.get(line, -1)) > last:
            yield number, there
            last = there


def _single(lines: Sequence[str]) -> dict[str, int]:
    """The number of each line that is there once, by what it has but blanks."""
    bare = ["".join(line.split()) for line in lines]
    counts = Counter(bare)
    return {line: number for number, line in enumerate(bare) if counts[line] == 1}


def _hunk(old: Sequence[str], new: Sequence[str], codes: Sequence[tuple[str, int, int, int, int]]) -> Iterator[str]:
    first, last = codes[0], codes[-1]
    yield f"@@ -{_range(first[1], last[2])} +{_range(first[3], last[4])} @@\n"
    for tag, start, end, start_there, end_there in codes:
        if tag == "equal":
            yield from (f" {line}" for line in old[start:end])
        else:
            yield from (f"-{line}" for line in old[start:end])
            yield from (f"+{line}" for line in new[start_there:end_there])


def _range(start: int, end: int) -> str:
    """Lines as a hunk's head names them: from 1, and the line before where there are none."""
    length = end - start
    if length == 1:
        return str(start + 1)
    return f"{start + 1 if length else start},{length}"
