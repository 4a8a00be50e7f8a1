"""Finds the places of the values in a JSON text, for messages about them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import TypeAlias

Path: TypeAlias = tuple[str | int, ...]

_STRING = re.compile(r'"(?:[^"\\]|\\.|(?!).)*+"')
_SPACE = re.compile(r"[ \t\n\r]*")
_SCALAR = re.compile(r"[^\s,\]}]+")


#: The most levels of nested values: more than any program has, and well within Python's stack.
_DEPTH = 50


class DuplicateKey(Exception):
    """An object has a key twice (where json.loads takes the last, and a reader sees the first)."""

    def __init__(self, key: str, place: tuple[int, int]) -> None:
        super().__init__(key, place)
        self.key = key
        self.place = place  # of the second value


def places(text: str) -> dict[Path, tuple[int, int]]:
    """Return start and end offset of every value, by its path of keys and indices. ``text`` is valid JSON.

    Errors: DuplicateKey; ValueError, where the text nests too deep.
    """
    found: dict[Path, tuple[int, int]] = {}
    for path, start, end in _value(text, _skip(text, 0), ()):
        if path in found:
            raise DuplicateKey(str(path[-1]), (start, end))
        found[path] = start, end
    return found


def key_place(text: str, value: int) -> tuple[int, int]:
    """Return start and end offset of the key whose value begins at an offset."""
    end = text.rindex('"', 0, value)
    start = text.rindex('"', 0, end)
    while text[start - 1] == "\\":  # what opens the key stands behind a blank, a brace or a comma
        start = text.rindex('"', 0, start)
    return start, end + 1


def _skip(text: str, at: int) -> int:
    match = _SPACE.match(text, at)
    return match.end() if match else at


def _string_end(text: str, at: int) -> int:
    match = _STRING.match(text, at)
    return match.end() if match else len(text)


def _value(text: str, at: int, path: Path) -> Iterator[tuple[Path, int, int]]:
    """Yield the values from ``at`` on, the outermost last; reading goes on at its end."""
    if text[at] in "{[":
        yield from _container(text, at, path)
    elif text[at] == '"':
        yield path, at, _string_end(text, at)
    else:
        match = _SCALAR.match(text, at)
        yield path, at, match.end() if match else at + 1


def _container(text: str, start: int, path: Path) -> Iterator[tuple[Path, int, int]]:
    if len(path) >= _DEPTH:
        raise ValueError(f"it nests more than {_DEPTH} deep")
    named = text[start] == "{"
    at, index = _skip(text, start + 1), 0
    while text[at] not in "}]":
        key: str | int = index
        if named:
            after = _string_end(text, at)
            key = str(json.loads(text[at:after]))
            at = _skip(text, _skip(text, after) + 1)  # behind the colon
        end = at
        for inner, first, last in _value(text, at, (*path, key)):
            yield inner, first, last
            end = last
        at, index = _skip(text, end), index + 1
        if text[at] == ",":
            at = _skip(text, at + 1)
    yield path, start, at + 1
