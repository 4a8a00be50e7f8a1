"""JSON values, and how they are taken apart: a value of another type than is asked for is a TypeError."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias, TypeVar, cast

#: What tools print and records hold. None of them has fractions.
Json: TypeAlias = Mapping[str, "Json"] | Sequence["Json"] | str | int | None


_Made = TypeVar("_Made")


def parsed(text: str | bytes) -> Json:
    """The value of a JSON text. Errors: ValueError, RecursionError."""
    return cast("Json", json.loads(text))


def parsed_of_ip(text: str) -> Json:
    """The value of what `ip -json` prints, which leaves most control characters in names as they are; "" for nothing
    found. Errors: ValueError."""
    return cast("Json", json.loads(text or "[]", strict=False))


def members(value: object) -> Mapping[str, Json]:
    """An object's members. Errors: TypeError."""
    if not isinstance(value, dict):
        raise TypeError("a JSON object comes here")
    return value


def items(value: object) -> Sequence[Json]:
    """A list's items. Errors: TypeError."""
    if not isinstance(value, (list, tuple)):
        raise TypeError("a list comes here")
    return value


def string(value: object) -> str:
    """A string. Errors: TypeError."""
    if not isinstance(value, str):
        raise TypeError("a string comes here")
    return value


def integer(value: object) -> int:
    """A whole number. Errors: TypeError."""
    if not isinstance(value, int):
        raise TypeError("a whole number comes here")
    return value


def strings(value: object) -> tuple[str, ...]:
    """A list of strings. Errors: TypeError."""
    return tuple(map(string, items(value)))


def optional(read: Callable[[object], _Made], value: object) -> _Made | None:
    """What ``read`` makes of a value; None of null. Errors: TypeError."""
    return None if value is None else read(value)
