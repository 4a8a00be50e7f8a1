"""Lets, and the lists of addresses and networks that may refer to them."""

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


#: The most references that are followed. Nested lets multiply: thirty, each naming the next one twice, would stand for
#: a billion addresses.
_MAX_REFERENCES = 10_000
#: Addresses that hints propose, by the keywords of statements that take addresses. All others take networks.
_ADDRESSES = {
    "vip": "198.19.0.1",
    "external-ip": "203.0.113.7",
    "snat": "203.0.113.8",
    "address": "10.0.0.4",
    "endpoints": "100.64.0.9",
}


@dataclass(slots=True)
class Lets:
    """The lets of a program, and the addresses that each ``$name`` stands for."""

    declared: dict[str, tuple[Values, syntax.Let]] = field(default_factory=dict)
    used: set[str] = field(default_factory=set)

    def expand(self, values: Values, words: Iterable[Word], keyword: str = "") -> Iterator[tuple[Values, Word]]:
        """Yield each word with the values of its source. A reference is replaced by the words that it stands for.

        ``keyword``: that of the statement, where it takes addresses.
        """
        left: list[tuple[str, Values, Iterator[Word]]] = [("", values, iter(words))]  # the lets that are being expanded
        within: set[str] = set()  # their names
        count = 0
        while left:
            name, there, rest = left[-1]
            word = next(rest, None)
            if word is None:
                left.pop()
                within.discard(name)
            elif not word.startswith("$"):
                yield there, word
            elif (count := count + 1) > _MAX_REFERENCES:
                there.error(Code.RANGE, f"`{word}` is one of more than {_MAX_REFERENCES} lets in one list", word)
                return
            else:
                found = self._let(there, word, within, keyword)
                if found is not None:
                    left.append((word[1:], found[0], iter(found[1].values)))
                    within.add(word[1:])

    def _let(self, values: Values, word: Word, within: set[str], keyword: str) -> tuple[Values, syntax.Let] | None:
        """Return the let that a word refers to.

        Report, and return None, where there is none or the let refers to itself.
        """
        name = word[1:]
        self.used.add(name)
        if name in within:
            values.error(
                Code.UNDEFINED, f"`{word}` stands for itself", word, "lets must not refer to each other in a circle"
            )
        elif name not in self.declared:
            value = _ADDRESSES.get(keyword, "10.0.0.0/8")
            hint = did_you_mean(name, self.declared, "${}".format) or f"declare it: let {name} = [{value}]"
            values.error(Code.UNDEFINED, f"`{word}` is not declared", word, hint)
        else:
            return self.declared[name]
        return None

    def check_unused(self, values: Values, let: syntax.Let) -> None:
        """Report what is wrong with the values of a let that nothing refers to."""
        used = set(self.used)
        for there, word in self.expand(values, let.values):
            there.network(word) if "/" in word else there.endpoint_address(word)
        self.used = used

    def addresses(self, values: Values, words: Iterable[Word], keyword: str) -> dict[ir.Address, Span]:
        """Return the addresses of a statement in order, each with its place. Report words that are no address, or a
        repeated one.
        """
        found: dict[ir.Address, Span] = {}
        for there, word in self.expand(values, words, keyword):
            for address in there.addresses(word):
                _add(found, address, there, word)
        return found

    def networks(self, values: Values, words: Iterable[Word]) -> dict[ir.Network, Span]:
        """Return the networks in order, each with its place. Report words that are no network, or a repeated one."""
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
