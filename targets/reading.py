"""Reads what somebody gives as a target's output: every line becomes objects that the target itself prints.

A bundle is input like any other. A target reads the texts of its parts into its own typed objects, under one prefix,
and prints them again. Text that does not come out as it went in is refused, with its place, before anything runs.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from svcc.compiler.codes import Code
from svcc.compiler.diagnostic import Diagnostic
from svcc.compiler.source import Source, Span
from svcc.compiler.suggest import shorten

#: The most characters that a message quotes.
_QUOTED = 120


class RefusedText(ValueError):
    """A text that the target would not print. ``str()`` says why, and in which line."""

    def __init__(self, code: Code, message: str, span: Span | None, file: str | None = None) -> None:
        super().__init__(message if span is None else f"line {span.source.position(span.start)[0]}: {message}")
        self.diagnostic = Diagnostic(code, message, span, file=file)


@dataclass(frozen=True, slots=True)
class Line:
    """A line without its line end, and its place."""

    source: Source
    start: int
    text: str

    def span(self, word: str = "") -> Span:
        """Return the place of the first ``word`` in the line; without a word, of the whole line."""
        at = max(0, self.text.find(word)) if word else 0
        return Span(self.source, self.start + at, self.start + at + (len(word) or len(self.text)))

    def refused(self, why: str, word: str = "", code: Code = Code.BUNDLE_LINE) -> RefusedText:
        """Return the error about the line, or about a ``word`` of it."""
        return RefusedText(code, why, self.span(word))


@dataclass(frozen=True, slots=True)
class Text:
    """The text of one part: the characters from ``start`` to ``end`` (exclusive) of a source."""

    source: Source
    start: int
    end: int

    @property
    def text(self) -> str:
        """The text itself."""
        return self.source.text[self.start : self.end]

    def lines(self) -> Iterator[Line]:
        """Yield the lines without their line ends, each with its place."""
        start = self.start
        while start < self.end:
            end = self.source.text.find("\n", start, self.end)
            end = self.end if end < 0 else end
            yield Line(self.source, start, self.source.text[start:end])
            start = end + 1

    def refused(self, why: str, start: int, end: int, code: Code = Code.BUNDLE_LINE) -> RefusedText:
        """Return the error about the characters from ``start`` to ``end`` of the part."""
        return RefusedText(code, why, Span(self.source, self.start + start, self.start + end))


def compare(name: str, given: Text, printed: str) -> None:
    """Check that a part is what its objects print. Errors: RefusedText, at the first character that differs."""
    if given.text == printed:
        return
    if given.start == given.end:
        raise given.refused(f"part {name} is missing", 0, 0, Code.BUNDLE)
    should = printed.split("\n")[:-1]
    number, line = 0, Line(given.source, given.start, "")
    for number, line in enumerate(given.lines(), 1):
        if number > len(should):
            raise line.refused("the target prints nothing more here")
        if line.text != should[number - 1]:
            at = line.start + _first_difference(line.text, should[number - 1])
            span = Span(line.source, at, max(at + 1, line.start + len(line.text)))
            raise RefusedText(
                Code.BUNDLE_LINE, f"the target prints no such line here, but {quoted(should[number - 1])}", span
            )
    if number < len(should):
        raise line.refused(f"a line is missing behind this one: {quoted(should[number])}")
    raise line.refused("the last line is not ended")


def _first_difference(text: str, other: str) -> int:
    return next((at for at, (a, b) in enumerate(zip(text, other, strict=False)) if a != b), min(len(text), len(other)))


def quoted(text: str) -> str:
    """Return a piece of somebody's text for a message: shortened, and in backquotes."""
    return f"`{shorten(text, _QUOTED)}`"


def in_order(some: Sequence[str], of: Sequence[str]) -> str | None:
    """Return the first of ``some`` that is not in ``of``, or is out of its order. Return None where there is none."""
    rest = iter(of)
    return next((one for one in some if one not in rest), None)
