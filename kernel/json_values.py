"""Take JSON values apart. A value of another type than is asked for raises a TypeError."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias, TypeVar, cast

#: A JSON value without fractions, as tools print them and records hold them.
Json: TypeAlias = Mapping[str, "Json"] | Sequence["Json"] | str | int | None


_Made = TypeVar("_Made")


def parsed(text: str | bytes) -> Json:
    """Return the value of a JSON text. Errors: ValueError, RecursionError."""
    return cast("Json", json.loads(text))


def parsed_of_ip(text: str) -> Json:
    """Return the value of what ``ip -json`` prints. It leaves most control characters in names as they are, and prints
    "" where it finds nothing, which gives an empty list. Errors: ValueError."""
    return cast("Json", json.loads(text or "[]", strict=False))


def members(value: object) -> Mapping[str, Json]:
    """Return the members of an object. Errors: TypeError where the value is no object."""
    if not isinstance(value, dict):
        raise TypeError("expected a JSON object")
    return value


def items(value: object) -> Sequence[Json]:
    """Return the items of a list. Errors: TypeError where the value is no list."""
    if not isinstance(value, (list, tuple)):
        raise TypeError("expected a list")
    return value


def string(value: object) -> str:
    """Return the value, a string. Errors: TypeError where it is none."""
    if not isinstance(value, str):
        raise TypeError("expected a string")
    return value


def integer(value: object) -> int:
    """Return the value, a whole number. Errors: TypeError where it is none."""
    if not isinstance(value, int):
        raise TypeError("expected a whole number")
    return value


def strings(value: object) -> tuple[str, ...]:
    """Return the items of a list of strings. Errors: TypeError where the value is no such list."""
    return tuple(map(string, items(value)))


def optional(read: Callable[[object], _Made], value: object) -> _Made | None:
    """Return what ``read`` returns for a value; None for null. Errors: TypeError."""
    return None if value is None else read(value)
