"""Reads a libnftables document as commands with their lines (libnftables-json(5))."""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from svcc.verify.trace.faults import ArtifactLine, LoadError, UnknownRule

_BLANKS = " \t\r\n"


@dataclass(frozen=True, slots=True)
class Command:
    """A command: ``verb`` ("add", "delete", …) is done to an object of a ``kind`` ("table", "rule", …)."""

    place: ArtifactLine
    verb: str
    kind: str
    fields: dict[str, object]


class Fields:
    """The members of a JSON object, taken one by one. A member that is left at the end is an error."""

    def __init__(self, place: ArtifactLine, what: str, value: object) -> None:
        if not isinstance(value, Mapping):
            raise LoadError(place, f"{what} is not an object")
        self.place = place
        self.what = what
        self._left = dict(value)

    def __contains__(self, name: str) -> bool:
        return name in self._left

    def take(self, name: str, default: object = ...) -> object:
        """Take a member. Errors: LoadError, where it is missing and has no default."""
        if name not in self._left:
            if default is ...:
                raise LoadError(self.place, f"{self.what} needs `{name}`")
            return default
        return self._left.pop(name)

    def text(self, name: str, default: object = ...) -> str:
        """Take a text. Errors: LoadError, where it is missing, or is no text."""
        value = self.take(name, default)
        if not isinstance(value, str):
            raise LoadError(self.place, f"`{name}` of {self.what} is not a text")
        return value

    def number(self, name: str, default: object = ...) -> int:
        """Take a number. A text is refused, because nft ignores it here."""
        value = self.take(name, default)
        if isinstance(value, bool) or not isinstance(value, int):
            raise LoadError(self.place, f"`{name}` of {self.what} is not a number")
        return value

    def words(self, name: str) -> list[str]:
        """Take a list of texts. A single text may stand without a list."""
        value = self.take(name, [])
        listed = [value] if isinstance(value, str) else value
        if not isinstance(listed, list) or not all(isinstance(word, str) for word in listed):
            raise LoadError(self.place, f"`{name}` of {self.what} is not a list of words")
        return listed

    def done(self) -> None:
        """Check that no members are left. Errors: UnknownRule."""
        if self._left:
            raise UnknownRule(self.place, f"`{next(iter(self._left))}` of {self.what} is not known here")


def commands(part: str, text: str) -> Iterator[Command]:
    """Yield the document's commands in order, without its version information. Errors: TraceError."""
    for place, value in _entries(part, text):
        if not isinstance(value, dict) or len(value) != 1:
            raise LoadError(place, "a command is an object with one member")
        ((verb, body),) = value.items()
        if verb == "metainfo":
            continue
        if verb in ("add", "create", "insert", "delete", "flush", "destroy"):
            if not isinstance(body, dict) or len(body) != 1:
                raise LoadError(place, f"`{verb}` needs one object")
            ((kind, fields),) = body.items()
        else:  # an object by itself, as in the output of `list`
            verb, kind, fields = "add", verb, body
        if not isinstance(fields, dict):
            raise LoadError(place, f"{kind} is not an object")
        yield Command(place, verb, kind, fields)


def _entries(part: str, text: str) -> Iterator[tuple[ArtifactLine, object]]:
    """Yield the members of the document's list, each with the line on which it begins."""
    ends = [found.start() for found in re.finditer("\n", text)]

    def place(index: int) -> ArtifactLine:
        return ArtifactLine(part, bisect_right(ends, index - 1) + 1)

    index = _expect(text, _expect(text, _expect(text, 0, "{", place), '"nftables"', place), ":", place)
    index = _skip(text, _expect(text, index, "[", place))
    decoder = json.JSONDecoder(object_pairs_hook=_unique)
    while text[index : index + 1] != "]":
        try:
            value, end = decoder.raw_decode(text, index)
        except json.JSONDecodeError as error:
            raise LoadError(place(error.pos), f"not JSON: {error.msg}") from None
        except ValueError as error:
            raise LoadError(place(index), str(error)) from None
        yield place(index), value
        index = _skip(text, end)
        if text[index : index + 1] == ",":
            index = _skip(text, index + 1)
        elif text[index : index + 1] != "]":
            raise LoadError(place(index), "not JSON: a comma is missing")
    rest = _skip(text, _expect(text, index + 1, "}", place))
    if rest != len(text):
        raise LoadError(place(rest), "not JSON: more than one document")


def _expect(text: str, index: int, word: str, place: Callable[[int], ArtifactLine]) -> int:
    """Skip ``word``, and return where reading goes on. Errors: LoadError, where it does not come next."""
    index = _skip(text, index)
    if not text.startswith(word, index):
        raise LoadError(place(index), f'`{word}` is missing: a document begins with {{"nftables": [')
    return index + len(word)


def _skip(text: str, index: int) -> int:
    while index < len(text) and text[index] in _BLANKS:
        index += 1
    return index


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """Return the object. Errors: ValueError, where a member is repeated (nft would take either)."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a member is given twice")
    return found
