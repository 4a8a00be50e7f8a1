"""Lets, and lists of addresses and networks that may name them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TypeVar

from svcc.compiler import ir, syntax
from svcc.compiler.codes import Code
from svcc.compiler.diagnostic import Related
from svcc.compiler.source import Span
from svcc.compiler.suggest import did_you_mean
from svcc.compiler.syntax import Word
from svcc.compiler.values import Values

T = TypeVar("T", ir.Address, ir.Network)


@dataclass(slots=True)
class Lets:
    """The lets of a program, and the addresses that a ``$name`` stands for."""

    declared: dict[str, tuple[Values, syntax.Let]] = field(default_factory=dict)
    used: set[str] = field(default_factory=set)

    def expand(self, values: Values, words: Iterable[Word]) -> Iterator[tuple[Values, Word]]:
        """Each word with the source that it stands in; references replaced by what they stand for."""
        return self._expand(values, words, ())

    def _expand(self, values: Values, words: Iterable[Word], through: tuple[str, ...]) -> Iterator[tuple[Values, Word]]:
        for word in words:
            if not word.startswith("$"):
                yield values, word
                continue
            name = word[1:]
            self.used.add(name)
            if name in through:
                values.error(Code.UNDEFINED, f"`{word}` stands for itself", word, "break the circle of lets")
            elif name not in self.declared:
                guess = did_you_mean(name, self.declared)
                hint = guess.replace("`", "`$", 1) if guess else f"declare it: let {name} = [10.0.0.0/8]"
                values.error(Code.UNDEFINED, f"`{word}` is not declared", word, hint)
            else:
                there, let = self.declared[name]
                yield from self._expand(there, let.values, (*through, name))

    def addresses(self, values: Values, words: Iterable[Word]) -> dict[ir.Address, Span]:
        """Addresses, each with its place, in order. What is none, or stands twice, is reported."""
        found: dict[ir.Address, Span] = {}
        for there, word in self.expand(values, words):
            address = there.address(word)
            if address is not None:
                _add(found, address, there, word)
        return found

    def networks(self, values: Values, words: Iterable[Word]) -> dict[ir.Network, Span]:
        """Networks, each with its place, in order. What is none, or stands twice, is reported."""
        found: dict[ir.Network, Span] = {}
        for there, word in self.expand(values, words):
            network = there.network(word)
            if network is not None:
                _add(found, network, there, word)
        return found


def _add(found: dict[T, Span], value: T, values: Values, word: Word) -> None:
    if value in found:
        related = (Related("first here", found[value]),)
        values.error(Code.DUPLICATE_ADDRESS, f"{value} stands twice in one list", word, related=related)
    else:
        found[value] = values.span(word)
