"""Characters that are hard to see, or look like others: what they are, and what to do. Only wrong programs need it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from unicodedata import category, name

#: Controls of direction: with them, an editor shows text in another order than svcc reads it (CVE-2021-42574).
DIRECTION = re.compile("[\u202a-\u202e\u2066-\u2069]")

#: What to do about characters that are not like others of their category.
_SPECIAL = {
    "\r": "that is a carriage return without a line feed: end lines with LF or CRLF",
    "\ufeff": "that is a byte order mark, which may stand at the beginning of a file only: remove it",
}
#: Letters and signs without ink (UAX 44: default ignorable, and the blank pattern of Braille).
_EMPTY = frozenset("\u115f\u1160\u2800\u3164\uffa0")


def named(sign: str) -> str:
    """Return a character's code point and Unicode's name for it.

    >>> named("\u0435")
    'U+0435 CYRILLIC SMALL LETTER IE'
    """
    return f"U+{ord(sign):04X} {name(sign, '')}".rstrip()


def hints_for_hidden_characters(text: str) -> Iterator[str]:
    """Yield hints about characters of a text that are hard to see."""
    return (hint for sign in dict.fromkeys(text) if (hint := _hint(sign)) is not None)


def _hint(sign: str) -> str | None:
    if sign in _SPECIAL:
        return _SPECIAL[sign]
    kind = category(sign)
    if kind in ("Zl", "Zp") or sign == "\x85":
        return f"that is {named(sign)}: end lines with LF or CRLF"
    if kind == "Zs" and sign != " ":
        return f"that is {named(sign)}: write a plain blank"
    if kind == "Cf" or sign in _EMPTY:
        return f"that is {named(sign)}, which cannot be seen: remove it"
    return None


def with_foreign_letter(word: str, hint: str) -> str:
    """Return a hint about a word. It says first which letter of the word is none of ASCII, because another alphabet's
    looks like it.
    """
    found = next((sign for sign in word if not sign.isascii() and category(sign)[0] in "LM"), None)
    return hint if found is None else f"`{found}` is {named(found)}: {hint}"
