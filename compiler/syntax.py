"""The syntax of a file: what was written, word by word, before any of it has a meaning.

A :data:`Word` is lark's token: a string with its place (``start_pos``, ``end_pos``) in the text.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TypeAlias

from lark import Token

from svcc.compiler.source import Source

Word: TypeAlias = Token


def word_at(kind: str, text: str, start: int) -> Word:
    """Return a word that begins at an offset of the text. ``kind``: its terminal."""
    word = Word(kind, text, start_pos=start)
    word.end_pos = start + len(text)
    return word


@dataclass(frozen=True, slots=True)
class Setting:
    """A keyword and its values, such as ``vip 198.19.10.0 fd00:19::10``, ``svcc 1``, ``include "lib/*.dsl"``."""

    keyword: Word
    values: tuple[Word, ...]


@dataclass(frozen=True, slots=True)
class Let:
    """``let NAME = VALUE``, or a list of values."""

    keyword: Word
    name: Word
    values: tuple[Word, ...]


@dataclass(frozen=True, slots=True)
class PortStatement:
    """``port NAME PORTS/PROTOCOL -> TARGET nodeport PORTS``."""

    keyword: Word
    spec: Word
    name: Word | None = None
    target: Word | None = None
    nodeport: Word | None = None


@dataclass(frozen=True, slots=True)
class EndpointLine:
    """``ADDRESS weight N on NODE draining``: the options as they are written, in pairs of keyword and value."""

    address: Word
    options: tuple[Word, ...] = ()


@dataclass(frozen=True, slots=True)
class AddressLines:
    """Consecutive endpoint lines that hold only addresses, as one text with their line ends and comments."""

    text: Word

    def words(self) -> list[tuple[str, int]]:
        """Return the addresses, each with the offset in the file at which it begins."""
        text, begin = str(self.text), self.text.start_pos or 0
        if ";" in text or "#" in text:
            text = _NO_ADDRESS.sub(lambda found: " " * len(found[0]), text)
        words: list[tuple[str, int]] = []
        end = 0
        for word in text.split():
            at = text.index(word, end)
            end = at + len(word)
            words.append((word, begin + at))
        return words


_NO_ADDRESS = re.compile(r";|#[^\n]*")


@dataclass(frozen=True, slots=True)
class EndpointsStatement:
    """A service's endpoints: names of pools, lines of its own, or both."""

    keyword: Word
    pools: tuple[Word, ...]
    lines: tuple[EndpointLine | AddressLines, ...]


@dataclass(frozen=True, slots=True)
class Pool:
    """``endpoints NAME { … }``: a pool of endpoints that services share."""

    keyword: Word
    name: Word
    lines: tuple[EndpointLine | AddressLines, ...]
    registered: tuple[Setting, ...] = ()  # ``registered NETWORK…``


Statement: TypeAlias = Setting | PortStatement | EndpointsStatement


@dataclass(frozen=True, slots=True)
class Block:
    """A ``cluster``, ``node``, ``defaults``, ``service`` or ``balancer`` block with its statements."""

    keyword: Word
    name: Word | None
    statements: tuple[Statement, ...]


Item: TypeAlias = Setting | Let | Pool | Block


@dataclass(frozen=True, slots=True)
class File:
    """The items of a file, in the file's order."""

    source: Source
    items: tuple[Item, ...]
    recovered: bool = False  # True: statements with syntax errors were left out
