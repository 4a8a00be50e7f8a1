"""What can stand where somebody types. The grammar knows: it is what its parser would accept there next."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache

from lark import Lark, UnexpectedInput
from lark.lexer import PatternStr

from svcc.compiler import ir
from svcc.compiler.lower_service import ONLY_IN_SERVICES
from svcc.compiler.names import written
from svcc.compiler.syntax_error import VALUES
from svcc.grammar import parser
from svcc.lsp.lookup import declared
from svcc.lsp.manual import about
from svcc.lsp.names import Kind, tokens
from svcc.lsp.outline import Outline
from svcc.lsp.programs import File

#: Matches the word that is being typed: a word of the language, or a string that has no end yet.
_PARTIAL = re.compile(r'("[^"\n]*|[^\s{}\[\];,="#]*)\Z')
_COMMENT = re.compile(r'(?:"[^"\n]*"|[^"#\n])*#')
_DIGITS = re.compile(r"\d+(?:-\d+)?/\w*")
#: Second and later values of a statement, by its keyword and the word before the value.
_LATER: dict[tuple[str, str], tuple[str, ...]] = {
    ("scheduler", "by"): tuple(ir.HashBy),
    ("traffic", "external"): tuple(ir.Traffic),
    ("traffic", "internal"): tuple(ir.Traffic),
}
_VALUES = {**VALUES, "vip-device": ("none",)}


class Sort(StrEnum):
    """The kind of a proposal."""

    KEYWORD = "keyword"
    VALUE = "value"
    NAME = "name"


@dataclass(frozen=True, slots=True)
class Proposal:
    """A word that fits where somebody types. ``kind``: of a name, what it names in the program."""

    word: str
    sort: Sort
    kind: Kind | None = None
    about: str | None = None  # Markdown


@dataclass(frozen=True, slots=True)
class Proposals:
    """What may replace the characters from ``start`` to where somebody types."""

    start: int
    found: Sequence[Proposal]


@dataclass(frozen=True, slots=True)
class _Spot:
    """What surrounds a place: the heads of the blocks, the innermost last, and the statement up to the place."""

    heads: tuple[str, ...]
    statement: str

    @property
    def block(self) -> str:
        return self.heads[-1].split()[0] if self.heads and self.heads[-1].split() else ""


def proposals(text: str, outline: Outline, offset: int, files: Iterable[File]) -> Proposals:
    """Return what fits at an offset of the text. ``outline`` is the text's, ``files`` are those of its program."""
    item = outline.item_at(offset)
    before = text[offset if item is None else item.start : offset]
    partial = _PARTIAL.search(before)
    word = "" if partial is None else partial.group()
    if _COMMENT.match(text[text.rfind("\n", 0, offset) + 1 : offset]):
        return Proposals(offset, [])
    spot = _spot(before[: len(before) - len(word)])
    found = dict.fromkeys(_proposed(spot, word, _accepted(spot), [*files]))
    return Proposals(offset - len(word), [*found])


def _spot(before: str) -> _Spot:
    heads: list[str] = []
    start, listing = 0, False
    for token in tokens(before):
        if token.kind != "sign" or token.text in ",=":
            continue
        if token.text in "[]":
            listing = token.text == "["
        elif token.text != "\n" or not listing:
            if token.text == "{":
                heads.append(before[start : token.start].strip())
            elif token.text == "}" and heads:
                heads.pop()
            start, listing = token.end, False
    return _Spot(tuple(heads), before[start:].lstrip())


@cache
def _parser() -> Lark:
    return parser(every_token=True)


@cache
def _written() -> dict[str, str]:
    """Return the grammar's words, by their terminals."""
    found = {t.name: t.pattern.value for t in _parser().terminals if isinstance(t.pattern, PatternStr)}
    return {name: word for name, word in found.items() if word[0].isalpha()}


def _accepted(spot: _Spot) -> set[str]:
    """Return the terminals that the parser accepts next; none where it fails before that place."""
    head = "".join(f"{head} {{\n" for head in spot.heads)
    begun = _parser().parse_interactive(f"{head}{spot.statement}")
    try:
        begun.exhaust_lexer()
        return set(begun.accepts())  # type: ignore[no-untyped-call]
    except UnexpectedInput:
        return set()


def _proposed(spot: _Spot, word: str, accepted: set[str], files: Sequence[File]) -> Iterator[Proposal]:
    words = spot.statement.split()
    block = spot.block if len(words) == 0 or spot.block == "endpoints" else words[0]
    for terminal in sorted(accepted & _written().keys(), key=_written().__getitem__):
        written = _written()[terminal]
        if not (spot.block == "defaults" and not words and written in ONLY_IN_SERVICES):
            yield Proposal(written, Sort.KEYWORD, about=about(block, written))
    if words and "NAME" in accepted:
        values = _VALUES.get(words[0], ()) if len(words) == 1 else _LATER.get((words[0], words[-1]), ())
        for value in values:
            if value.islower():
                yield Proposal(value, Sort.VALUE, about=about(words[0], value))
    if "PORT_SPEC" in accepted and _DIGITS.fullmatch(word):
        protocols: type[StrEnum] = ir.ListenProtocol if spot.block == "balancer" else ir.Protocol
        yield from (Proposal(f"{word.partition('/')[0]}/{name}", Sort.VALUE) for name in protocols)
    yield from _names(spot, words, accepted, files)


def _names(spot: _Spot, words: Sequence[str], accepted: set[str], files: Sequence[File]) -> Iterator[Proposal]:
    if "VARIABLE" in accepted:
        own = words[1:2] if words[:1] == ["let"] else []
        lets = [key.name for key in declared(Kind.LET, files) if key.name not in own]
        yield from (Proposal(f"${name}", Sort.NAME, Kind.LET) for name in lets)
    if "SERVED" in accepted:
        yield from (Proposal(written(key.name), Sort.NAME, Kind.SERVICE) for key in declared(Kind.SERVICE, files))
        for key in declared(Kind.PORT, files):
            yield Proposal(f"{written(key.service)}:{written(key.name)}", Sort.NAME, Kind.PORT)
    elif "STRING" in accepted and words[-1:] == ["on"] and spot.block == "endpoints":
        yield from (Proposal(written(key.name), Sort.NAME, Kind.NODE) for key in declared(Kind.NODE, files))
    elif "STRING" in accepted and words[:1] == ["endpoints"] and spot.block == "service":
        yield from (Proposal(written(key.name), Sort.NAME, Kind.POOL) for key in declared(Kind.POOL, files))
