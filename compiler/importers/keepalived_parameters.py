"""Replaces parameters of keepalived.conf: ``$NAME=VALUE``, then ``$NAME`` or ``${NAME}`` (keepalived.conf(5))."""

from __future__ import annotations

import re
from collections.abc import Sequence

from svcc.compiler.importers.interface import broken
from svcc.compiler.importers.words import Word

_NAME = r"[A-Za-z_][A-Za-z0-9_]*"
_DEFINITION = re.compile(rf"\$({_NAME})=(.*)", re.DOTALL)
_USE = re.compile(rf"\$(?:({_NAME})|\{{({_NAME})\}})")
#: The most characters of a line, also after values replaced parameters: a value may name other parameters, and so
#: double with each.
LINE = 4096


class Parameters:
    """The parameters of a file, and of those that it includes, as they are at some line."""

    def __init__(self) -> None:
        self._values: dict[str, str] = {}

    def defines(self, words: Sequence[Word]) -> bool:
        """Whether a line defines a parameter, whose value is then known to later lines.

        False for a value of several lines.
        """
        found = _DEFINITION.fullmatch(words[0].text)
        if found is None or words[-1].text.endswith("\\"):
            return False
        name, first = found.groups()
        self._values[name] = " ".join(word.text for word in self.in_place([Word(first, words[0].span), *words[1:]]))
        return True

    def in_place(self, words: Sequence[Word]) -> list[Word]:
        """Return the words with values in place of parameters; a parameter without a value stays as it is.

        Errors: Broken.
        """
        if not any("$" in word.text for word in words):
            return list(words)
        made: list[Word] = []
        size = 0
        for word in words:
            text = _USE.sub(self._value, word.text)
            size += len(text)
            if size > LINE:
                raise broken(f"with its parameters this line has more than {LINE} characters", word.span)
            # A value may have several words.
            made += [word] if text == word.text else [Word(one, word.span) for one in text.split()]
        return made

    def _value(self, use: re.Match[str]) -> str:
        return self._values.get(use[1] or use[2], use[0])
