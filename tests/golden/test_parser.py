"""The parser that is kept as data is the one that lark makes of the grammar."""

from __future__ import annotations

import json

import lark
import pytest

from support.golden_files import compare
from support.tools.project import ROOT
from svcc.grammar import grammar_text, made_parser
from svcc.grammar.kept import RELEASES, kept_parser, load, serialized

KEPT = ROOT / "grammar" / "parser.json"


def test_what_is_kept_is_what_lark_makes(update_golden: bool) -> None:
    """With whichever release the tests run: the oldest that is allowed, and the newest."""
    compare(KEPT, serialized(grammar_text(), made_parser()), update_golden)


def test_what_was_read_is_written_again() -> None:
    text = KEPT.read_text(encoding="utf-8")
    assert serialized(grammar_text(), load(json.loads(text))) == text


def test_it_is_used_for_its_own_grammar_alone() -> None:
    assert kept_parser(grammar_text() + "\n") is None


def test_it_is_used_with_known_releases_of_lark_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    assert (kept_parser(grammar_text()) is None) is (lark.__version__ not in RELEASES)
    monkeypatch.setattr(lark, "__version__", "1.3.1.dev0")
    assert kept_parser(grammar_text()) is None
