"""The names in one item: those that it declares, those that it refers to, and their places.

For a valid program the grammar's own tree would say the same (a test checks that). Here an invalid one has names, too.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from svcc.compiler.names import PLAIN

_STRING = r'"[^"\n]*"'
_TOKEN = re.compile(
    rf"(?P<comment>#[^\n]*)"
    rf'|(?P<served>(?:{_STRING}|{PLAIN.pattern}):(?:{_STRING}|{PLAIN.pattern})(?![^\s{{}}\[\];,="#]))'
    rf"|(?P<string>{_STRING})"
    r'|(?P<path>/[^\s{}\[\];"#]*)'
    r"|(?P<sign>[{}\[\]=,;\n])"
    r'|(?P<word>[^\s{}\[\];,="#]+)'
)


class Kind(StrEnum):
    """What kind of thing a name stands for."""

    LET = "let"
    NODE = "node"
    POOL = "pool"
    SERVICE = "service"
    BALANCER = "balancer"
    PORT = "port"
    INCLUDE = "include"


class Key(NamedTuple):
    """What a name stands for in the whole program. ``service`` is the service of a port."""

    kind: Kind
    name: str
    service: str = ""


@dataclass(frozen=True, slots=True)
class Name:
    """A name at the characters ``start`` to ``end`` of the item, without ``$`` and with quotes."""

    key: Key
    start: int
    end: int
    declares: bool = False


class Token(NamedTuple):
    """A word of a statement, and the character of the item at which it begins."""

    kind: str
    text: str
    start: int

    @property
    def end(self) -> int:
        """The first character after it."""
        return self.start + len(self.text)


@dataclass(frozen=True, slots=True)
class Scanned:
    """What an item holds. ``keyword`` is the first word; ``name`` is what the item declares, if anything."""

    keyword: str
    name: Name | None
    names: tuple[Name, ...]


def tokens(text: str) -> Iterator[Token]:
    """Yield words and signs, without comments and blanks."""
    for found in _TOKEN.finditer(text):
        kind = found.lastgroup or ""
        if kind != "comment":
            yield Token(kind, found.group(), found.start())


#: The most levels of blocks that are told apart.
_DEEPEST = 8


class Statement(NamedTuple):
    """The words of a statement, the keywords of the blocks around it from the outermost in, and the sign after it.

    Of blocks that are nested deeper than in any program, only the outermost are kept: a text of braces alone would
    otherwise take time by the square of its length.
    """

    blocks: tuple[str, ...]
    words: Sequence[Token]
    sign: str


def statements(text: str) -> Iterator[Statement]:
    """Yield all statements of an item. The last one has the sign "" where nothing ends it."""
    blocks: list[str] = []
    words: list[Token] = []
    listing = False
    for token in tokens(text):
        if token.kind != "sign":
            words.append(token)
        elif token.text in "[]":
            listing = token.text == "["
        elif token.text in "{};" or (token.text == "\n" and not listing):
            listing = False
            if words or token.text == "{":
                yield Statement(tuple(blocks[:_DEEPEST]), words, token.text)
            if token.text == "{":
                blocks.append(words[0].text if words else "")
            elif token.text == "}" and blocks:
                blocks.pop()
            words = []
    if words:
        yield Statement(tuple(blocks[:_DEEPEST]), words, "")


def scan(text: str) -> Scanned:
    """Return what one item holds. ``text``: the item's."""
    names: list[Name] = []
    keyword = ""
    owner: Name | None = None
    for number, statement in enumerate(statements(text)):
        words = statement.words
        if not number and words:
            keyword = words[0].text
            owner = _head(statement)
            names += [owner] if owner is not None else []
        names += _references(statement, "" if owner is None else owner.key.name)
    return Scanned(keyword, owner, tuple(names))


_HEADS = {
    "let": Kind.LET,
    "node": Kind.NODE,
    "endpoints": Kind.POOL,
    "service": Kind.SERVICE,
    "balancer": Kind.BALANCER,
    "include": Kind.INCLUDE,
}


def _head(statement: Statement) -> Name | None:
    """Return the name that an item declares.

    An include declares nothing, but has its pattern as a name, by which it is found.
    """
    words = statement.words
    kind = _HEADS.get(words[0].text)
    if kind is None or len(words) < 2:
        return None
    return _name(kind, words[1], declares=kind is not Kind.INCLUDE)


def _name(kind: Kind, word: Token, *, service: str = "", declares: bool = False) -> Name:
    return Name(Key(kind, word.text.strip('"'), service), word.start, word.end, declares)


def _references(statement: Statement, owner: str) -> Iterator[Name]:
    blocks, words, _ = statement
    for word in words:
        if word.kind == "word" and word.text[0] == "$" and len(word.text) > 1:
            yield Name(Key(Kind.LET, word.text[1:]), word.start + 1, word.end)
    keyword = words[0].text if words else ""
    if blocks[:1] == ("balancer",) and keyword == "route":
        yield from _served(words)
    elif blocks and blocks[-1] == "endpoints":
        yield from _on(words[1:])
    elif blocks == ("service",) and keyword == "endpoints":
        yield from (_name(Kind.POOL, word) for word in words[1:] if word.kind in ("word", "string"))
    elif blocks == ("service",) and keyword == "port" and len(words) > 1 and _is_port_name(words[1]):
        yield _name(Kind.PORT, words[1], service=owner, declares=True)


def _is_port_name(word: Token) -> bool:
    return word.kind == "string" or PLAIN.fullmatch(word.text) is not None


def _on(words: Sequence[Token]) -> Iterator[Name]:
    """Yield the nodes in an endpoint's options."""
    at = 0
    while at < len(words):
        if words[at].text == "on" and at + 1 < len(words):
            at += 1
            yield _name(Kind.NODE, words[at])
        at += 1


def _served(words: Sequence[Token]) -> Iterator[Name]:
    """Yield the service and the port after a route's arrow."""
    arrow = next((at for at, word in enumerate(words) if word.text == "->"), len(words))
    for word in words[arrow + 1 : arrow + 2]:
        colon = word.text.find(":", word.text.find('"', 1) if word.text[0] == '"' else 0)
        if word.kind != "served" or colon < 0:
            yield _name(Kind.SERVICE, word)
            return
        service = Token("string", word.text[:colon], word.start)
        yield _name(Kind.SERVICE, service)
        port = Token("string", word.text[colon + 1 :], word.start + colon + 1)
        yield _name(Kind.PORT, port, service=service.text.strip('"'))
