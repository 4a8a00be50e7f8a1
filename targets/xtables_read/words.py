"""The words of a rule's text, and readers for what several matches and verdicts have in common."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import ip_network

from svcc.compiler import ir
from svcc.targets.reading import quoted

_WORD = re.compile(r'"((?:[^"\\]|\\.|(?!).)*+)"|[^\s"]+')


class NotRead(Exception):
    """The words are no part of any rule of the target; the message says what is wrong."""


@dataclass(slots=True)
class Words:
    """The words of a rule, taken from the left."""

    words: list[str]
    at: int = 0

    def take(self) -> str:
        """Take the next word. Errors: NotRead, where there is none."""
        if self.at == len(self.words):
            raise NotRead("the rule ends in the middle")
        self.at += 1
        return self.words[self.at - 1]

    def expect(self, *words: str) -> None:
        """Take these words. Errors: NotRead, where another word comes."""
        for word in words:
            if (found := self.take()) != word:
                raise NotRead(f"expected `{word}`, not {quoted(found)}")

    def negation(self) -> bool:
        """Take `!` if it comes next, and return whether it did."""
        found = self.words[self.at : self.at + 1] == ["!"]
        self.at += found
        return found

    def number(self, base: int = 10) -> int:
        """Take the next word as a number. Errors: NotRead, where it is none."""
        text = self.take()
        try:
            return int(text[:20], base)
        except ValueError:
            raise NotRead(f"{quoted(text)} is no number") from None

    def masked(self) -> tuple[int, int]:
        """Take a value and its mask, as in ``0x4000/0x4000``."""
        value, _, mask = self.take().partition("/")
        try:
            return int(value[:20], 16), int(mask[:20], 16)
        except ValueError:
            raise NotRead(f"{quoted(value)} is no mark with a mask") from None


def split(text: str) -> Words:
    """Split a text into words, without their quotes. Errors: NotRead."""
    words: list[str] = []
    if '"' not in text:
        return Words(text.split(" "))
    end = 0
    for found in _WORD.finditer(text):
        quote = found[1]
        words.append(found[0] if quote is None else re.sub(r"\\(.)", r"\1", quote))
        end = found.end()
    if end != len(text):
        raise NotRead("a quote is not closed")
    return Words(words)


@lru_cache(maxsize=65_536)
def network(text: str) -> ir.Network:
    """Return the network of a text. Errors: NotRead."""
    try:
        return ip_network(text)
    except ValueError:
        raise NotRead(f"{quoted(text)} is no network") from None


def ports(text: str) -> ir.PortRange:
    """Return the ports of ``80`` or ``80:89``. Errors: NotRead."""
    first, _, last = text.partition(":")
    if not (first.isdecimal() and (last or "0").isdecimal() and len(first) < 6 and len(last) < 6):
        raise NotRead(f"{quoted(first)} is no port")
    found = ir.PortRange(int(first), int(last or first))
    if not 0 <= found.first <= found.last < 1 << 16:
        raise NotRead(f"{found} are no ports")
    return found
