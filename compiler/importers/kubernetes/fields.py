"""Reads the members of an object of the Kubernetes API, each as the type that it has to have.

Each member knows its path of keys and indices, for messages. A member that the API's reference calls optional may be
missing or null.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple, TypeAlias

from svcc.compiler.suggest import one_of, shorten

Path: TypeAlias = tuple[str | int, ...]


class Malformed(Exception):
    """An object does not follow the API's reference for its kind."""

    def __init__(self, path: Path, message: str) -> None:
        super().__init__(f"{written(path)} {message}")
        self.path = path
        self.message = message


def written(path: Path) -> str:
    """Return a path as kubectl writes it.

    >>> written(("spec", "ports", 0, "name"))
    'spec.ports[0].name'
    """
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return text.removeprefix(".") or "the object"


class Word(NamedTuple):
    """A text in an object, and its path."""

    text: str
    path: Path


#: Host names by RFC 1123, with what the values of labels may have beside.
_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_.-]{0,251}[A-Za-z0-9])?")
_KINDS: dict[type, str] = {str: "a text", bool: "true or false", int: "a number", list: "a list", dict: "an object"}


@dataclass(frozen=True, slots=True)
class Fields:
    """The members of the object at ``path``, each read as the type that it has to have. Errors: Malformed."""

    members: Mapping[str, object]
    path: Path = ()

    def _take(self, key: str, kind: type) -> object | None:
        found = self.members.get(key)
        if found is None or type(found) is kind:
            return found
        is_now = next((name for type_, name in _KINDS.items() if type(found) is type_), "a number")
        quote = ": put it in quotes" if kind is str and is_now in ("a number", "true or false") else ""
        raise Malformed((*self.path, key), f"is {is_now}, and has to be {_KINDS[kind]}{quote}")

    def text(self, key: str) -> str:
        """Return the text of a field; "" where it is missing. Errors: Malformed."""
        found = self._take(key, str)
        return found if isinstance(found, str) else ""

    def word(self, key: str) -> Word:
        """Return the text of a field, with its path. Errors: Malformed."""
        return Word(self.text(key), (*self.path, key))

    def kept_word(self, key: str) -> Word:
        """Return the text of a field that is very common: equal texts with equal paths are one object, to
        save memory.
        """
        return _kept_word(self.text(key), kept((*self.path, key)))

    def name(self, key: str) -> str:
        """Return a text of the characters that the API allows in names and in the values of labels. Errors:
        Malformed.
        """
        found = self.text(key)
        if found and not _NAME.fullmatch(found):
            raise Malformed((*self.path, key), f"is `{shorten(found, 40)}`, which is no name of Kubernetes")
        return found

    def choice(self, key: str, *known: str) -> str:
        """Return a text that is one of ``known``, or "" where the field is missing. Errors: Malformed."""
        found = self.text(key)
        if found and found not in known:
            raise Malformed((*self.path, key), f"is `{shorten(found, 40)}`, and has to be {one_of(known)}")
        return found

    def flag(self, key: str) -> bool | None:
        """Return the boolean of a field; None where it is missing. Errors: Malformed."""
        found = self._take(key, bool)
        return found if isinstance(found, bool) else None

    def number(self, key: str) -> int | None:
        """Return the whole number of a field; None where it is missing. Errors: Malformed."""
        found = self._take(key, int)
        return found if isinstance(found, int) else None

    def port(self, key: str) -> int | None:
        """Return the number of a port; None where it is missing, or 0: still to be chosen. Errors: Malformed."""
        found = self.number(key)
        if found is not None and not 0 <= found <= 65_535:
            raise Malformed((*self.path, key), f"is {found}, and has to be a port, 1 to 65535")
        return found or None

    def fields(self, key: str) -> Fields:
        """Return the members of an object in this one; no members where it is missing. Errors: Malformed."""
        found = self._take(key, dict)
        return Fields(found if isinstance(found, dict) else {}, (*self.path, key))

    def each(self, key: str) -> Iterator[Fields]:
        """Return the objects of a list. Errors: Malformed."""
        for i, member in enumerate(self._list(key)):
            if not isinstance(member, dict):
                raise Malformed((*self.path, key, i), "has to be an object")
            yield Fields(member, (*self.path, key, i))

    def words(self, key: str) -> tuple[Word, ...]:
        """Return the texts of a list. Errors: Malformed."""
        words = []
        for i, member in enumerate(self._list(key)):
            if not isinstance(member, str):
                raise Malformed((*self.path, key, i), "has to be a text")
            words.append(Word(member, (*self.path, key, i)))
        return tuple(words)

    def _list(self, key: str) -> list[object]:
        found = self._take(key, list)
        return found if isinstance(found, list) else []

    def beyond(self, known: str) -> tuple[Path, ...]:
        """Return the paths of members that have a value and are not in ``known`` (names with blanks between them)."""
        names = known.split()
        return tuple((*self.path, key) for key in self.members if key not in names and self.members[key] is not None)


@lru_cache(maxsize=8_192)
def kept(path: Path) -> Path:
    """Return an equal path that is one object for all callers, to save memory."""
    return path


@lru_cache(maxsize=8_192)
def _kept_word(text: str, path: Path) -> Word:
    return Word(text, path)
