"""The grammar has no conflicts, and the quick lexer reads what lark's own reads."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lark import Token, UnexpectedCharacters, UnexpectedToken

from support.tools.project import ROOT
from svcc.grammar import parser

TEXTS = [path.read_text(encoding="utf-8") for path in sorted(ROOT.glob("**/*.dsl"))]
STRICT = parser(strict=True)
QUICK = parser()

#: Pieces of text, so that each can follow each.
PIECES = [
    *("service", "a/b", "{", "}", "\n", "\r\n", ";", " ", "\t", "# note", "vip", "10.0.0.1", "fd00::1", "[fd00::1]:80"),
    *("port", "http", "80/tcp", "5000-5099/udp", "->", "8080", "nodeport", "nodeports", "cluster"),
    *("endpoints", "weight", "2", "draining", "on", "let", "=", "[", "]", ",", "$corp", "10.0.0.0/8", "affinity", "3h"),
    *("include", '"lib/*.dsl"', '"', "%", "é", "\0", "\x0b", "mark", "0x4000", "node", "address", "nodeport-addresses"),
]


def _read(text: str, strict: bool) -> tuple[list[tuple[str, str, int]], object]:
    """The tokens that the parser takes, with their ends, and the error that it ends with."""
    thread = (STRICT if strict else QUICK).parse_interactive(text)
    tokens: list[tuple[str, str, int]] = []
    try:
        tokens.extend(map(_told, thread.iter_parse()))
    except UnexpectedToken as error:
        return tokens, (_told(error.token), sorted(error.expected))
    except UnexpectedCharacters as error:
        return tokens, error.pos_in_stream
    return tokens, None


def _told(token: Token) -> tuple[str, str, int]:
    return token.type, token.strip(" \t") if token.type == "_END" else str(token), token.end_pos or 0


@pytest.mark.parametrize("text", TEXTS)
def test_files_are_read_as_lark_reads_them(text: str) -> None:
    assert _read(text, strict=False) == _read(text, strict=True)


@given(st.lists(st.sampled_from(PIECES)).map("".join) | st.lists(st.sampled_from(PIECES)).map(" ".join))
def test_any_text_is_read_as_lark_reads_it(text: str) -> None:
    assert _read(text, strict=False) == _read(text, strict=True)


def test_terminals_are_compared_with_each_other_only_where_that_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    class Compared(Exception):
        pass

    def compare(*_: object) -> None:
        raise Compared

    monkeypatch.setattr("interegular.Comparator.from_regexes", compare)
    parser()
    with pytest.raises(Compared):
        parser(strict=True)
