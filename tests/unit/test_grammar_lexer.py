"""The grammar has no conflicts, and the quick lexers read what lark's own reads."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache, partial
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lark import Lark, Token, UnexpectedCharacters, UnexpectedToken

from support.files import texts_of_the_language
from support.tools.project import ROOT
from svcc.compiler.syntax import AddressLines
from svcc.grammar import made_parser, parser
from svcc.grammar.lexer import ADDRESS_LINES

PATHS = texts_of_the_language()

#: Pieces of text, so that each can follow each.
PIECES = [
    *("service", "a/b", "{", "}", "\n", "\r\n", ";", " ", "\t", "# note", "vip", "10.0.0.1", "fd00::1", "[fd00::1]:80"),
    *("port", "http", "80/tcp", "5000-5099/udp", "->", "8080", "nodeport", "nodeports", "cluster"),
    *("endpoints", "weight", "2", "draining", "on", "let", "=", "[", "]", ",", "$corp", "10.0.0.0/8", "affinity", "3h"),
    *("include", '"lib/*.dsl"', '"', "%", "é", "\0", "\x0b", "mark", "0x4000", "node", "address", "nodeport-addresses"),
]


#: What lines of a pool or of a service's endpoints are made of, right and wrong.
LINES = [
    *("10.0.0.1\n", " 10.0.0.2:80 ; ", "fd00::1\r\n", "\t[fd00::1]:80\t# note\n", "10.0.0.3 # a; b\n\n # c\n", ":;"),
    *("10.0.0.4 weight 2\n", "$all\n", "10.0.0.0/8\n", "web\n", "10.0.0.5", "10.0.0.6,\n", "10.0.0.7 }\n", "\n", ";"),
    *("1::2-3::4\n", "[::1\n", "registered 10.0.0.0/8\n", "10.0.0.8 on a\n", '"9"\n', "1.2.3.4é\n", "\x0b", "a.b\n"),
    *("#\n", ".\n"),
]
BLOCKS = ["endpoints web {", "endpoints web {\n", "service web { endpoints {", "service web { endpoints pool { # a\n"]

_Told = tuple[str, str, int]
#: Lark's own parser, which finds conflicts in the grammar.
_strict = cache(partial(made_parser, strict=True))
_quick = cache(parser)
_in_pieces = cache(partial(parser, skip=lambda _lexer, _text, at: at))


def _read(parser: Lark, text: str) -> tuple[list[_Told], object]:
    """The tokens that the parser takes, with their ends, and the error that it ends with."""
    thread = parser.parse_interactive(text)
    tokens: list[_Told] = []
    try:
        for token in thread.iter_parse():
            tokens += _lines(token) if token.type == ADDRESS_LINES else [_told(token)]
    except UnexpectedToken as error:
        return tokens, (_told(error.token), sorted(set(error.expected) - {ADDRESS_LINES}))
    except UnexpectedCharacters as error:
        return tokens, error.pos_in_stream
    return tokens, None


def _told(token: Token) -> _Told:
    return token.type, token.strip(" \t") if token.type == "_END" else str(token), token.end_pos or 0


def _lines(piece: Token) -> Iterator[_Told]:
    """The tokens of lines that the lexer took in one piece: an address, what ends its line, the next address."""
    assert piece.end_pos is not None
    begin = piece.end_pos - len(piece)
    found = [(word, at - begin) for word, at in AddressLines(piece).words()]
    for (word, at), following in zip(found, [*(at for _, at in found[1:]), len(piece)], strict=True):
        assert piece[at : at + len(word)] == word
        yield "BRACKETED" if word[0] == "[" else "ADDRESS", word, begin + at + len(word)
        yield "_END", piece[at + len(word) : following].strip(" \t"), begin + following


def _assert_read_alike(text: str) -> None:
    assert _read(_quick(), text) == _read(_in_pieces(), text) == _read(_strict(), text)


@pytest.mark.parametrize("path", PATHS, ids=lambda path: str(path.relative_to(ROOT)))
def test_files_are_read_as_lark_reads_them(path: Path) -> None:
    _assert_read_alike(path.read_text(encoding="utf-8"))


@given(st.lists(st.sampled_from(PIECES)).map("".join) | st.lists(st.sampled_from(PIECES)).map(" ".join))
def test_any_text_is_read_as_lark_reads_it(text: str) -> None:
    _assert_read_alike(text)


@given(st.lists(st.sampled_from(LINES), min_size=1).map("".join), st.sampled_from(BLOCKS))
def test_lines_of_endpoints_are_read_as_lark_reads_them(lines: str, block: str) -> None:
    text = f"{block}{lines}}}\n"
    _assert_read_alike(text)


def test_addresses_alone_are_taken_in_one_piece() -> None:
    text = "service a { endpoints {\n 10.0.0.1 # one\n\n# two\n[fd00::1]:80; 10.0.0.2:80\n 10.0.0.3 weight 2\n } }\n"
    kinds = [token.type for token in _in_pieces().parse_interactive(text).iter_parse()]
    assert kinds.count(ADDRESS_LINES) == 1
    assert kinds.count("ADDRESS") == 1


def test_terminals_are_compared_with_each_other_only_where_that_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    class Compared(Exception):
        pass

    def compare(*_: object) -> None:
        raise Compared

    monkeypatch.setattr("interegular.Comparator.from_regexes", compare)
    made_parser()
    with pytest.raises(Compared):
        made_parser(strict=True)
