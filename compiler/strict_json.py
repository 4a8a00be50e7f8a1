"""JSON from outside, read strictly: what ``json`` takes besides is refused (RFC 8259, sections 4 and 6).

``json`` takes the last of several members of one name, and others the first; it takes NaN and Infinity, which are no
JSON; and a number of a million digits keeps Python busy for minutes.
"""

from __future__ import annotations

import json
from typing import NoReturn

#: Digits of a whole number, at most.
_DIGITS = 40


def loads(text: str | bytes, *, places: bool = False) -> object:
    """The value of a text. ``places``: :func:`svcc.compiler.json_places.places` says where a member stands twice, so
    that is no error here.

    Errors: JSONDecodeError, where it is no JSON; ValueError, where it is refused; RecursionError.
    """
    once = None if places else once_each
    return json.loads(text, object_pairs_hook=once, parse_int=whole_number, parse_constant=no_constant)


def once_each(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """An object of its members. Errors: ValueError, where two have one name."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands twice in one object")
    return found


def whole_number(digits: str) -> int:
    """Errors: ValueError, of more digits than any number has that svcc reads."""
    if len(digits) > _DIGITS:
        raise ValueError(f"a number of {len(digits)} digits")
    return int(digits)


def no_constant(word: str) -> NoReturn:
    """Errors: ValueError, always: NaN and Infinity are no numbers of JSON."""
    raise ValueError(f"{word} is no number of JSON")
