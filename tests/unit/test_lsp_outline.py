"""The quick search for names finds what the parser finds, and goes on where the parser cannot."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.dsl_printer import Files, spellings
from support.files import EXAMPLES, PROGRAMS, WHOLE_SERVICE
from support.strategies import programs
from svcc.compiler import syntax
from svcc.compiler.parse import parse
from svcc.compiler.source import Source
from svcc.lsp.names import Key, Kind, statements
from svcc.lsp.outline import Outline

_FILES = [*EXAMPLES, *sorted(PROGRAMS.glob("**/*.dsl")), WHOLE_SERVICE]
_ODD = """
svcc 1; include "lib/*.dsl" ; let a = [$b, # $no
  10.0.0.0/8,
]; let b = 10.1.0.0/16
endpoints on { $a on on weight 2 on "9"; [fd00::1]:80 on node }
node on { address $b zone eu-1a
  instance i-$c }
service "9to5/web" { port on 80/tcp; port "8080-tcp" 81/tcp; check http /a?$b=on {
"""
_ROUTES = """
balancer public { route / /svc1 /a$x,b=c -> "9to5/web":"8080-tcp"
route 80 -> shop/web:http; route /x -> "web"; route /y -> web }
service endpoints { endpoints service "on" endpoints { 10.0.0.1 }; vip $a $b shared; port 80/tcp }
"""

_Found = tuple[Key, int, int, bool]
_Statement = syntax.Setting | syntax.PortStatement | syntax.EndpointsStatement


def _by_the_parser(file: syntax.File) -> Iterator[_Found]:
    for item in file.items:
        match item:
            case syntax.Let(_, name, values):
                yield _found(Kind.LET, name, declares=True)
                yield from _lets(values)
            case syntax.Pool(_, name, lines):
                yield _found(Kind.POOL, name, declares=True)
                yield from _of_lines(lines)
            case syntax.Block(keyword, name, block):
                if name is not None:
                    yield _found(Kind(keyword), name, declares=True)
                for statement in block:
                    yield from _of_statement(statement, str(name))
            case syntax.Setting(keyword, values) if keyword == "include":
                yield Key(Kind.INCLUDE, values[0][1:-1]), *_place(values[0]), False


def _place(word: syntax.Word) -> tuple[int, int]:
    assert word.start_pos is not None
    assert word.end_pos is not None
    return word.start_pos, word.end_pos


def _found(kind: Kind, word: syntax.Word, service: str = "", *, declares: bool = False) -> _Found:
    return Key(kind, str(word), service), *_place(word), declares


def _of_statement(
    statement: syntax.Setting | syntax.PortStatement | syntax.EndpointsStatement, owner: str
) -> Iterator[_Found]:
    match statement:
        case syntax.PortStatement(_, _, name) if name is not None:
            yield _found(Kind.PORT, name, owner, declares=True)
        case syntax.EndpointsStatement(_, pools, lines):
            yield from (_found(Kind.POOL, pool) for pool in pools)
            yield from _of_lines(lines)
        case syntax.Setting(keyword, values) if keyword == "route":
            (target,) = (word for word in values if word.type in ("NAME", "SERVED", "STRING"))
            start, end = _place(target)
            if target.type != "SERVED":
                yield Key(Kind.SERVICE, str(target)), start, end, False
                return
            service, port = _halves(str(target))
            at = start + len(service)
            yield Key(Kind.SERVICE, service.strip('"')), start, at, False
            yield Key(Kind.PORT, port.strip('"'), service.strip('"')), at + 1, end, False
        case syntax.Setting(_, values):
            yield from _lets(values)


def _halves(word: str) -> tuple[str, str]:
    at = word.index(":", word.index('"', 1)) if word[0] == '"' else word.index(":")
    return word[:at], word[at + 1 :]


def _lets(words: tuple[syntax.Word, ...]) -> Iterator[_Found]:
    for word in words:
        if word.type == "VARIABLE":
            start, end = _place(word)
            yield Key(Kind.LET, word[1:]), start + 1, end, False


def _of_lines(lines: tuple[syntax.EndpointLine | syntax.AddressLines, ...]) -> Iterator[_Found]:
    for line in lines:
        if isinstance(line, syntax.AddressLines):  # they name nothing
            continue
        yield from _lets((line.address,))
        options = iter(line.options)
        for option in options:
            if option.type == "ON":
                yield _found(Kind.NODE, next(options))


def _by_the_look(text: str) -> Iterator[_Found]:
    for item in Outline(text).items:
        for name in item.scanned.names:
            yield name.key, item.start + name.start, item.start + name.end, name.declares


def _compare(text: str) -> None:
    file, diagnostics = parse(Source("a.dsl", text))
    assert file is not None, diagnostics
    assert not diagnostics
    assert sorted(_by_the_look(text), key=lambda found: found[1:3]) == sorted(
        _by_the_parser(file), key=lambda found: found[1:3]
    )


@pytest.mark.parametrize("path", _FILES, ids=lambda path: path.name)
def test_examples_have_the_names_that_the_parser_finds(path: Path) -> None:
    _compare(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("text", [_ODD.replace("$b=on {", "$b=on\nendpoints { } }").replace("i-$c", "i-c"), _ROUTES])
def test_odd_texts_have_the_names_that_the_parser_finds(text: str) -> None:
    _compare(text)


@given(programs().flatmap(spellings))
def test_any_program_has_the_names_that_the_parser_finds(files: Files) -> None:
    for text in files.values():
        _compare(text.removeprefix("\ufeff"))


@pytest.mark.parametrize("count", [1, 200])
def test_an_item_without_an_end_hides_no_others(count: int) -> None:
    text = "service a { vip 198.19.0.1\n" * count + "endpoints pool {\n 10.0.0.1 }\nlet x = [ 10.0.0.0/8\nnode n { }\n"
    outline = Outline(text)
    assert [item.scanned.keyword for item in outline.items] == ["service"] * count + ["endpoints", "let", "node"]
    assert " ".join(text[item.start : item.end] for item in outline.items).split() == text.split()


_PIECES = (
    "service",
    "a",
    " ",
    "{",
    "}",
    "\n",
    "[",
    "]",
    '"',
    "#",
    ";",
    "let x = ",
    "$x",
    "->",
    "route",
    ":",
    "on",
    "/",
    ",",
)


@given(st.lists(st.sampled_from(_PIECES), max_size=30).map("".join), st.data())
def test_what_was_seen_before_a_change_makes_no_difference(text: str, data: st.DataObject) -> None:
    before = Outline(text)
    at = data.draw(st.integers(0, len(text)))
    changed = text[:at] + data.draw(st.sampled_from(_PIECES)) + text[at:]
    assert Outline(changed, before).items == Outline(changed).items
    ends = [0, *(at for item in before.items for at in (item.start, item.end))]
    assert ends == sorted(ends)
    assert all(before.item_at(item.start) is item for item in before.items)


def test_blocks_within_blocks_without_end() -> None:
    """What is kept of each does not grow with their number: else a text of braces takes time by its square."""
    found = [*statements("service a {" * 1_000)]
    assert len(found) == 1_000
    assert max(len(one.blocks) for one in found) < 10
    assert len(Outline("{" * 300_000).items) == 1
