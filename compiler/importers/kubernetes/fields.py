"""Members of an object of the Kubernetes API, each taken as what it has to be.

Each remembers where it stands, as a path of keys and indices, for messages. What the API's reference calls optional
may be missing or null.
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
    """An object is not what the API's reference says of its kind."""

    def __init__(self, path: Path, message: str) -> None:
        super().__init__(f"{written(path)} {message}")
        self.path = path
        self.message = message


def written(path: Path) -> str:
    """A path as kubectl writes it.

    >>> written(("spec", "ports", 0, "name"))
    'spec.ports[0].name'
    """
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return text.removeprefix(".") or "the object"


class Word(NamedTuple):
    """A text of an object, and where it stands."""

    text: str
    path: Path


#: RFC 1123's host names, and what the values of labels have beside.
_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_.-]{0,251}[A-Za-z0-9])?")
_KINDS: dict[type, str] = {str: "a text", bool: "true or false", int: "a number", list: "a list", dict: "an object"}


@dataclass(frozen=True, slots=True)
class Fields:
    """The members of an object at ``path``, each taken as what it has to be. Errors: Malformed."""

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
        """The text of a field; "" where there is none. Errors: Malformed."""
        found = self._take(key, str)
        return found if isinstance(found, str) else ""

    def word(self, key: str) -> Word:
        """The text of a field, with its path. Errors: Malformed."""
        return Word(self.text(key), (*self.path, key))

    def kept_word(self, key: str) -> Word:
        """A word that is kept by the hundred thousand: equal ones, and their places, are one object."""
        return _kept_word(self.text(key), kept((*self.path, key)))

    def name(self, key: str) -> str:
        """A text of the signs that the API lets names, and the values of labels, be of."""
        found = self.text(key)
        if found and not _NAME.fullmatch(found):
            raise Malformed((*self.path, key), f"is `{shorten(found, 40)}`, which is no name of Kubernetes")
        return found

    def choice(self, key: str, *known: str) -> str:
        """One of some texts, or "" where there is none."""
        found = self.text(key)
        if found and found not in known:
            raise Malformed((*self.path, key), f"is `{shorten(found, 40)}`, and has to be {one_of(known)}")
        return found

    def flag(self, key: str) -> bool | None:
        """The truth value of a field; None where there is none. Errors: Malformed."""
        found = self._take(key, bool)
        return found if isinstance(found, bool) else None

    def number(self, key: str) -> int | None:
        """The whole number of a field; None where there is none. Errors: Malformed."""
        found = self._take(key, int)
        return found if isinstance(found, int) else None

    def port(self, key: str) -> int | None:
        """A port's number; None where there is none, or the 0 of a port that is still to be chosen."""
        found = self.number(key)
        if found is not None and not 0 <= found <= 65_535:
            raise Malformed((*self.path, key), f"is {found}, and has to be a port, 1 to 65535")
        return found or None

    def fields(self, key: str) -> Fields:
        """The fields of an object within this one; none where it is missing. Errors: Malformed."""
        found = self._take(key, dict)
        return Fields(found if isinstance(found, dict) else {}, (*self.path, key))

    def each(self, key: str) -> Iterator[Fields]:
        """The objects of a list."""
        for i, member in enumerate(self._list(key)):
            if not isinstance(member, dict):
                raise Malformed((*self.path, key, i), "has to be an object")
            yield Fields(member, (*self.path, key, i))

    def words(self, key: str) -> tuple[Word, ...]:
        """The texts of a list."""
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
        """Where members stand that have a value and are not among those known (with blanks between them)."""
        names = known.split()
        return tuple((*self.path, key) for key in self.members if key not in names and self.members[key] is not None)


@lru_cache(maxsize=8_192)
def kept(path: Path) -> Path:
    """The same path, as one object for all that ask."""
    return path


@lru_cache(maxsize=8_192)
def _kept_word(text: str, path: Path) -> Word:
    return Word(text, path)
