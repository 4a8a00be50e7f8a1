"""Reads JSON from outside strictly: it refuses what Python's ``json`` accepts beyond RFC 8259 (sections 4 and 6).

Of several members with one name, ``json`` takes the last, and other readers the first. It takes NaN and Infinity, which
are no JSON; and a number of a million digits keeps Python busy for minutes.
"""

from __future__ import annotations

import json
from typing import NoReturn

#: The most digits of a whole number.
_DIGITS = 40


def loads(text: str | bytes, *, places: bool = False) -> object:
    """Return the value of a text. ``places``: repeated members are no error here, because
    :func:`svcc.compiler.json_places.places` finds them, with their place.

    Errors: JSONDecodeError, where the text is no JSON; ValueError, where it is refused; RecursionError, where it nests
    too deep.
    """
    once = None if places else once_each
    return json.loads(text, object_pairs_hook=once, parse_int=whole_number, parse_constant=no_constant)


def once_each(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """Return the object with these members. Errors: ValueError, where two have one name."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands twice in one object")
    return found


def whole_number(digits: str) -> int:
    """Return the number. Errors: ValueError, where it has more digits than any number that svcc reads."""
    if len(digits) > _DIGITS:
        raise ValueError(f"a number of {len(digits)} digits")
    return int(digits)


def no_constant(word: str) -> NoReturn:
    """Refuse NaN and Infinity, which are no numbers in JSON. Errors: ValueError, always."""
    raise ValueError(f"{word} is no number of JSON")
