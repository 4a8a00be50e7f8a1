"""What can follow at a place in a text, by the grammar, whatever the text around it."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lark.lexer import PatternStr

from support.files import EXAMPLES
from svcc.compiler.lower_service import ONLY_IN_SERVICES
from svcc.compiler.syntax_error import STATEMENTS
from svcc.grammar import parser
from svcc.lsp.completion import Sort, proposals
from svcc.lsp.manual import about
from svcc.lsp.outline import Outline
from svcc.lsp.programs import File
from svcc.lsp.text import Text

_PROGRAM = """let corp = [10.0.0.0/8]
node "9" { address 10.0.0.4 }
endpoints web-pool { 100.64.0.9 }
service shop/web { port http 80/tcp; }
"""


def _proposed(text: str, *sorts: Sort) -> list[str]:
    """At the ``|`` of a text, behind a program that has one name of each kind."""
    before, after = (_PROGRAM + text).split("|")
    whole = before + after
    file = File("main.dsl", Text(whole), Outline(whole))
    found = proposals(whole, file.outline, len(before), [file])
    return [one.word for one in found.found if one.sort in (sorts or Sort)]


@pytest.mark.parametrize("end", ["", "}\n", "\nservice other {\n"])
@pytest.mark.parametrize("typed", ["", "vi", "vip"])
@pytest.mark.parametrize("block", [name for name in STATEMENTS if name])
def test_in_a_block_its_statements_are_proposed(block: str, typed: str, end: str) -> None:
    head = block if block in ("cluster", "defaults") else f"{block} x"
    assert sorted(_proposed(f"{head} {{\n  {typed}|{end}", Sort.KEYWORD)) == sorted(STATEMENTS[block])


def test_between_blocks_what_begins_them_is_proposed() -> None:
    assert sorted(_proposed("\n|")) == sorted(STATEMENTS[""])
    assert sorted(_proposed("ser|\nnode x { }")) == sorted(STATEMENTS[""])


def test_in_defaults_there_is_nothing_that_is_a_services_own() -> None:
    assert sorted(_proposed("defaults { |")) == sorted({*STATEMENTS["service"]} - {*ONLY_IN_SERVICES})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("service x { when-empty |", ["reject", "drop", "draining"]),
        ("service x { forward d|", ["masquerade", "direct", "tunnel"]),
        ("service x { traffic external |}", ["cluster", "local", "prefer-local", "prefer-zone"]),
        ("service x { scheduler sh |", ["by"]),
        ("service x { scheduler sh by |", ["address", "address-port"]),
        ("service x { port 80/|", ["80/tcp", "80/udp", "80/sctp"]),
        ("balancer x { listen 80/|", ["80/http", "80/tcp", "80/udp"]),
        ("service x { allow-from |", ["$corp"]),
        ("service x { allow-from $c|", ["$corp"]),
        ("let y = [|", ["$corp"]),
        ("let y = [10.0.0.0/8,\n # office\n $|", ["$corp"]),
        ("service x { endpoints |", ["web-pool"]),
        ("service x { endpoints web-pool |", ["web-pool"]),
        ("endpoints x {\n 10.0.0.1 on |", ['"9"']),
        ("endpoints x {\n 10.0.0.1 on n| weight 2\n}", ['"9"']),
        ("balancer x { route / -> |", ["shop/web", "shop/web:http"]),
        ("service x { vip 10.0.0.1 # |", []),
        ("# |", []),
        ("service x { port |", []),
        ("service |", []),
        ("vip |", []),
        ("cluster { vip-device |", ["none"]),
    ],
)
def test_what_can_stand_is_proposed(text: str, expected: list[str]) -> None:
    assert _proposed(text) == expected


def test_options_of_endpoints_are_proposed() -> None:
    assert {"weight", "on", "draining", "backup"} <= {*_proposed("endpoints x { 10.0.0.1 |")}
    assert _proposed("endpoints x { 10.0.0.1 weight |") == []


def test_every_statement_has_a_row_in_the_manual() -> None:
    """And every word that the grammar has within statements of endpoints and checks."""
    missing = [(block, word) for block, words in STATEMENTS.items() for word in words if about(block, word) is None]
    assert missing == []
    assert [word for word in _proposed("endpoints x { 10.0.0.1 |") if about("endpoints", word) is None] == []
    options = _proposed("service x { check http |", Sort.KEYWORD)
    assert [word for word in options if about("check", word) is None] == []


def test_the_statements_are_those_of_the_grammar() -> None:
    words = {t.pattern.value for t in parser().terminals if isinstance(t.pattern, PatternStr)}
    assert {word for listed in STATEMENTS.values() for word in listed} <= words


@given(st.sampled_from(EXAMPLES), st.data())
def test_somewhere_in_any_example_something_is_proposed_or_nothing(path: Path, data: st.DataObject) -> None:
    text = path.read_text(encoding="utf-8")
    offset = data.draw(st.integers(0, len(text)))
    cut = text[:offset]
    for whole in (text, cut):
        outline = Outline(whole)
        found = proposals(whole, outline, offset, [File("a.dsl", Text(whole), outline)])
        assert 0 <= found.start <= offset
