"""Reads JSON texts as objects whose members know their places."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

from svcc.compiler.importers.interface import broken
from svcc.compiler.json_places import DuplicateKey, Path, places
from svcc.compiler.source import Source, Span
from svcc.compiler.strict_json import loads

#: The most values that a document may hold. Python takes some hundred bytes for each.
_VALUES = 1_000_000


@dataclass(frozen=True, slots=True)
class Document:
    """A JSON text. ``found``: where the value at each path begins and ends, in characters."""

    source: Source
    found: dict[Path, tuple[int, int]]

    def span(self, path: Path) -> Span:
        """Return where the value at a path stands in the text."""
        return Span(self.source, *self.found[path])


@dataclass(frozen=True, slots=True)
class Member:
    """A value of a document, with its path and so its key or index."""

    document: Document
    path: Path
    value: object

    @property
    def key(self) -> str:
        """The last word of the member's path; "" for the whole document."""
        return str(self.path[-1]) if self.path else ""

    @property
    def span(self) -> Span:
        """The place of the member's value in the text."""
        return self.document.span(self.path)

    @property
    def whole(self) -> Span:
        """The place of the member with its key."""
        start, end = self.document.found[self.path]
        text = self.document.source.text
        if self.path and isinstance(self.path[-1], str):
            start = max(text.rfind('"', 0, max(text.rfind('"', 0, start), 0)), 0)
        return Span(self.document.source, start, end)

    @property
    def text(self) -> str:
        """The text or number as a text; "" for null. Errors: Broken, where the value is anything else."""
        if self.value is None:
            return ""
        if isinstance(self.value, (bool, dict, list, float)):
            raise broken(f"`{self.key}` is a text or a number", self.span)
        text = str(self.value)
        if any("\ud800" <= c <= "\udfff" for c in text):
            raise broken("half of a pair of surrogates is no character", self.span)
        return text

    def members(self) -> dict[str, Member]:
        """Return the members of an object by key. Errors: Broken, where the value is anything else."""
        if not isinstance(self.value, dict):
            raise broken("an object belongs here: { … }", self.span)
        return {key: Member(self.document, (*self.path, key), value) for key, value in self.value.items()}

    def items(self) -> Iterator[Member]:
        """Return the items of a list; none for null. Errors: Broken, where the value is anything else."""
        if self.value is None:
            return
        if not isinstance(self.value, list):
            raise broken("a list belongs here: [ … ]", self.span)
        for index, value in enumerate(self.value):
            yield Member(self.document, (*self.path, index), value)


def document(source: Source) -> Member:
    """Read a JSON text, and return its value. Errors: Broken, with the place."""
    text = source.text.removeprefix("\ufeff")
    if max(text.count(","), text.count("[") + text.count("{")) > _VALUES:
        raise broken(f"more than {_VALUES} values: that is no configuration", Span(source, 0, 1))
    try:
        value = loads(text, places=True)
        found = places(text)
    except json.JSONDecodeError as error:
        raise broken(f"not JSON: {error.msg}", Span(source, error.pos, min(error.pos + 1, len(text)))) from None
    except DuplicateKey as error:
        raise broken("a key stands twice in one object", Span(source, *error.place)) from None
    except RecursionError:
        raise broken("not JSON that svcc can read: it nests more than 50 deep", Span(source, 0, 1)) from None
    except ValueError as error:
        raise broken(f"not JSON that svcc can read: {error}", Span(source, 0, 1)) from None
    return Member(Document(source, found), (), value)
