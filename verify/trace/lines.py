"""Lines of words, which most of the tools' files consist of."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

from svcc.verify.trace.faults import ArtifactLine, LoadError, UnknownRule

V = TypeVar("V")


class Words:
    """The words of one line, taken one by one."""

    def __init__(self, place: ArtifactLine, text: str) -> None:
        self.place = place
        self.text = text
        self._words = _split(place, text)
        self._next = 0

    def __bool__(self) -> bool:
        return self._next < len(self._words)

    def peek(self) -> str:
        """Return the next word, or "" at the end."""
        return self._words[self._next] if self else ""

    def take(self, what: str = "something") -> str:
        """Take the next word. ``what``: what it should be, for the message. Errors: LoadError, where there is none."""
        if not self:
            raise LoadError(self.place, f"{what} is missing at the end")
        self._next += 1
        return self._words[self._next - 1]

    def value(self, text: str, parse: Callable[[str], V]) -> V:
        """Return the value of a word. Errors: LoadError, where ``parse`` raises ValueError or TypeError."""
        try:
            return parse(text)
        except (ValueError, TypeError) as error:
            raise LoadError(self.place, f"`{text}` cannot stand here: {error}") from None

    def rest(self) -> list[str]:
        """Take all words that are left."""
        rest, self._next = self._words[self._next :], len(self._words)
        return rest

    def done(self) -> None:
        """Check that no words are left. Errors: UnknownRule."""
        if self:
            raise UnknownRule(self.place, f"`{self.peek()}` is not known here")

    def unknown(self, word: str) -> UnknownRule:
        """Return the error about a word that this reader does not know."""
        return UnknownRule(self.place, f"`{word}` is not known here")

    def refused(self, message: str) -> LoadError:
        """Return the error about a line that its tool would refuse."""
        return LoadError(self.place, message)


@dataclass(frozen=True, slots=True)
class Reader:
    """Yields the lines of a part that are not empty."""

    part: str
    text: str

    def __iter__(self) -> Iterator[Words]:
        for number, line in enumerate(self.text.split("\n"), 1):
            stripped = line.strip()
            if stripped and not stripped.startswith("#"):
                yield Words(ArtifactLine(self.part, number), stripped)


def _split(place: ArtifactLine, text: str) -> list[str]:
    """Split a line at blanks.

    Double quotes may contain blanks, and in them a backslash takes the next character as it is.
    """
    if '"' not in text:
        return text.split()
    words, word, quoted, begun = [], "", False, False
    characters = iter(text)
    for character in characters:
        if quoted and character == "\\":
            word += next(characters, "")
        elif character == '"':
            quoted, begun = not quoted, True
        elif character.isspace() and not quoted:
            if word or begun:
                words.append(word)
            word, begun = "", False
        else:
            word += character
    if quoted:
        raise LoadError(place, "a quote is not closed")
    return [*words, word] if word or begun else words
