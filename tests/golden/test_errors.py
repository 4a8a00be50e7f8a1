"""Broken programs: each says in comments, with a caret, what is wrong below which character."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from support.files import ERRORS
from support.golden_files import compare
from svcc.commands.check import CheckedFile
from svcc.compiler.codes import Code
from svcc.compiler.report import as_text, in_order

PROGRAMS = sorted(ERRORS.glob("*.dsl"))

#: Codes that no text of ours can show: they are about bytes, JSON, files (other programs', too), or depend on targets,
#: options and the kernel.
ELSEWHERE = {
    Code.ENCODING,
    Code.UNREADABLE,
    Code.IR_INVALID,
    Code.NAME_TOO_LONG,
    Code.NODE_NEEDED,
    Code.TARGET_LIMIT,
    Code.BUNDLE,
    Code.BUNDLE_LINE,
    Code.BUNDLE_NAME,
    Code.IMPORT,
    Code.REFUSED,
}


def expected(text: str) -> list[tuple[int, int, str]]:
    """(line, column, code) of every comment ``#   ^ CODE``: the culprit is above it, in the last line of code."""
    found, line_of_code = [], 0
    for number, line in enumerate(text.splitlines(), 1):
        caret = re.fullmatch(r"#(\s*)\^ (SVC\d{3})", line)
        if caret:
            found.append((line_of_code, len(caret[1]) + 2, caret[2]))
        else:
            line_of_code = number
    return sorted(found)


@pytest.mark.parametrize("path", PROGRAMS, ids=lambda path: path.stem)
def test_every_error_is_found_where_it_is(path: Path, update_golden: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ERRORS)
    found = in_order(CheckedFile.of(path.name, ()).found)
    places = sorted((*d.span.source.position(d.span.start), d.code.id) for d in found if d.span is not None)
    assert places == expected(path.read_text(encoding="utf-8"))
    assert len(places) == len(found)
    compare(path.with_suffix(".txt"), as_text(found), update_golden)


def test_no_text_is_left_over() -> None:
    assert {path.stem for path in ERRORS.glob("*.txt")} == {path.stem for path in PROGRAMS}


def test_every_code_has_a_program_that_shows_it() -> None:
    shown = {code for path in PROGRAMS for _, _, code in expected(path.read_text(encoding="utf-8"))}
    assert shown == {code.id for code in Code} - {code.id for code in ELSEWHERE}
