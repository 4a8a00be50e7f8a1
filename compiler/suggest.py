"""Phrases of messages: what was perhaps meant, lists, and counts of things."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from difflib import get_close_matches


def did_you_mean(word: str, known: Iterable[str], written: Callable[[str], str] = str) -> str | None:
    """Return a hint that names the closest known word. Return None where none is close.

    ``written``: returns a known word as it is to be written.
    """
    matches = get_close_matches(word.lower(), {k.lower(): k for k in known}, n=1, cutoff=0.6)
    if not matches:
        return None
    spelled = next(k for k in sorted(known) if k.lower() == matches[0])
    hint = f"did you mean `{written(spelled)}`?"
    if word.isascii():
        return hint
    from svcc.compiler.characters import with_foreign_letter  # only programs with errors need Unicode's names

    return with_foreign_letter(word, hint)


def one_of(words: Iterable[str], last: str = "or") -> str:
    """Return ``a``, ``a or b``, ``a, b or c``."""
    *first, final = words
    return f"{', '.join(first)} {last} {final}" if first else final


def count(number: int, noun: str) -> str:
    """Return ``1 service``, ``10,000 services``."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def shorten(text: str, limit: int) -> str:
    """Return the text, or its beginning and its end where it has more than ``limit`` characters."""
    return text if len(text) <= limit else f"{text[: limit * 2 // 3]} … {text[-limit // 4 :]}"
