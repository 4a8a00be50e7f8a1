"""Whole files in other languages: one answer each, which says what the file looks like."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.files import ERRORS, PROGRAMS
from support.golden_files import compare
from support.tools.project import ROOT
from svcc.compiler.codes import Code
from svcc.compiler.foreign_files import foreign_file
from svcc.compiler.load import load, load_text
from svcc.compiler.report import as_text
from svcc.compiler.source import Source

FOREIGN = sorted((ERRORS / "foreign").glob("*"))
OURS = sorted([*ROOT.glob("examples/**/*.dsl"), *PROGRAMS.glob("*.dsl")])


def test_a_file_in_another_language_gets_one_answer(update_golden: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ERRORS / "foreign")
    answers = [load_text(Source(path.name, path.read_text(encoding="utf-8"))).diagnostics for path in FOREIGN]
    assert [[d.code for d in found] for found in answers] == [[Code.FOREIGN]] * len(FOREIGN)
    compare(ERRORS / "foreign.out", "\n".join(map(as_text, answers)), update_golden)


@pytest.mark.parametrize("path", FOREIGN, ids=lambda path: path.name)
def test_so_does_one_whose_lines_are_not_to_be_shown(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Root shows no lines of files that may not be the user's own to read."""
    monkeypatch.setattr("svcc.compiler.include.may_quote", lambda _: False)
    loaded = load(str(path))
    assert [d.code for d in loaded.diagnostics] == [Code.FOREIGN]
    assert path.suffix == ".json" or loaded.diagnostics[0].span is None


@pytest.mark.parametrize("path", OURS, ids=lambda path: path.name)
def test_our_own_files_are_not_foreign(path: Path) -> None:
    assert foreign_file(Source(path.name, path.read_text(encoding="utf-8"))) is None
