"""Diagnostics in every format: some whole outputs, and what holds for all."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.soundness import assert_reportable
from svcc.compiler.codes import Code
from svcc.compiler.diagnostic import Diagnostic, Related, Severity
from svcc.compiler.report import FORMATS, as_github, as_json, as_sarif, as_text
from svcc.compiler.source import Source, Span

_FIRST = Source("lib/a b.dsl", "let corp = 10.0.0.0/8\n")
_SECOND = Source("main.dsl", "# é漢\nservice web {\n\tvip 198.19.0.1 198.19.0.1\n}\n")


def _at(source: Source, word: str, last: bool = False) -> Span:
    start = source.text.rindex(word) if last else source.text.index(word)
    return Span(source, start, start + len(word))


_TWICE = Diagnostic(
    Code.DUPLICATE_ADDRESS,
    "198.19.0.1 stands twice, 100% sure",
    _at(_SECOND, "198.19.0.1", last=True),
    "remove one",
    (Related("first here", _at(_SECOND, "198.19.0.1")),),
)
_UNUSED = Diagnostic(Code.UNUSED, "`corp` is never used", _at(_FIRST, "corp"), severity=Severity.WARNING)
_GONE = Diagnostic(Code.UNREADABLE, "cannot read gone.dsl: No such file or directory", file="gone.dsl")
_ALL = [_TWICE, _UNUSED, _GONE]


def test_text() -> None:
    assert as_text(_ALL) == (
        "error[SVC005]: cannot read gone.dsl: No such file or directory\n"
        " --> gone.dsl\n"
        "\n"
        "warning[SVC012]: `corp` is never used\n"
        " --> lib/a b.dsl:1:5\n"
        "1 | let corp = 10.0.0.0/8\n"
        "  |     ^^^^\n"
        "\n"
        "error[SVC035]: 198.19.0.1 stands twice, 100% sure\n"
        " --> main.dsl:3:17\n"
        "3 | \tvip 198.19.0.1 198.19.0.1\n"
        "  | \t               ^^^^^^^^^^\n"
        " ::: main.dsl:3:6\n"
        "3 | \tvip 198.19.0.1 198.19.0.1\n"
        "  | \t    ---------- first here\n"
        "  = hint: remove one\n"
    )


def test_json() -> None:
    place = {"file": "main.dsl", "line": 3, "column": 17, "end_line": 3, "end_column": 27}
    assert json.loads(as_json([_TWICE, _GONE])) == {
        "diagnostics": [
            {
                "code": "SVC005",
                "severity": "error",
                "message": "cannot read gone.dsl: No such file or directory",
                "file": "gone.dsl",
                "line": None,
                "column": None,
                "end_line": None,
                "end_column": None,
                "hint": None,
                "related": [],
            },
            {
                "code": "SVC035",
                "severity": "error",
                "message": "198.19.0.1 stands twice, 100% sure",
                **place,
                "hint": "remove one",
                "related": [{"message": "first here", **place, "column": 6, "end_column": 16}],
            },
        ]
    }


def test_github() -> None:
    assert as_github(_ALL) == (
        "::error file=gone.dsl,title=SVC005::cannot read gone.dsl: No such file or directory\n"
        "::warning file=lib/a b.dsl,line=1,col=5,endLine=1,endColumn=9,title=SVC012::`corp` is never used\n"
        "::error file=main.dsl,line=3,col=17,endLine=3,endColumn=27,title=SVC035::"
        "198.19.0.1 stands twice, 100%25 sure%0Ahint: remove one\n"
    )


def test_sarif() -> None:
    log = json.loads(as_sarif([_TWICE, _UNUSED]))
    assert list(log) == ["$schema", "version", "runs"]
    assert [rule["id"] for rule in log["runs"][0]["tool"]["driver"]["rules"]] == [code.id for code in Code]

    def place(file: str, line: int, start: int, end: int) -> dict[str, object]:
        region = {"startLine": line, "startColumn": start, "endLine": line, "endColumn": end}
        return {"physicalLocation": {"artifactLocation": {"uri": file}, "region": region}}

    assert log["runs"][0]["results"] == [
        {
            "ruleId": "SVC012",
            "level": "warning",
            "message": {"text": "`corp` is never used"},
            "locations": [place("lib/a%20b.dsl", 1, 5, 9)],
        },
        {
            "ruleId": "SVC035",
            "level": "error",
            "message": {"text": "198.19.0.1 stands twice, 100% sure (remove one)"},
            "locations": [place("main.dsl", 3, 17, 27)],
            "relatedLocations": [{"message": {"text": "first here"}, **place("main.dsl", 3, 6, 16)}],
        },
    ]


@pytest.mark.parametrize(
    ("form", "text"),
    [("text", ""), ("github", ""), ("json", '{\n  "diagnostics": []\n}\n')],
    ids=lambda value: value[:4],
)
def test_nothing_to_say(form: str, text: str) -> None:
    assert FORMATS[form]([]) == text


def test_a_long_line_is_shown_around_its_culprit() -> None:
    source = Source("long.json", "x" * 1000 + "HERE" + "y" * 1000)
    assert as_text([Diagnostic(Code.SYNTAX, "m" * 1000, _at(source, "HERE"), "h" * 1000)]) == (
        f"error[SVC001]: {'m' * 320} … {'m' * 120}\n"
        " --> long.json:1:1001\n"
        f"1 | …{'x' * 79}HERE{'y' * 76}…\n"
        f"  | {' ' * 80}^^^^\n"
        f"  = hint: {'h' * 320} … {'h' * 120}\n"
    )


def test_control_characters_are_shown_not_sent() -> None:
    source = Source("a\x1b\n.dsl", "\x1b[31m \u202e bad\r\n")
    span = _at(source, "bad")
    found = Diagnostic(Code.SYNTAX, "\x07bell", span, "\x00", (Related("\u2028", span),))
    assert as_text([found, replace(found, span=None, related=(), file="\x1b")]) == (
        "error[SVC001]: \\x07bell\n"
        " --> \\x1b\n"
        "  = hint: \\x00\n"
        "\n"
        "error[SVC001]: \\x07bell\n"
        " --> a\\x1b\\x0a.dsl:1:9\n"
        "1 | \\x1b[31m \\u202e bad\n"
        "  |                 ^^^\n"
        " ::: a\\x1b\\x0a.dsl:1:9\n"
        "1 | \\x1b[31m \\u202e bad\n"
        "  |                 --- \\u2028\n"
        "  = hint: \\x00\n"
    )


# ---- what holds for all

_TEXT = st.text(st.characters() | st.sampled_from("\n\t\r\x1b ,:%\udcff"), max_size=30)
_WORDS = _TEXT.filter(bool)
#: Of files: bytes that are no text become characters like the last (PEP 383), and no others of their kind.
_NAMES = st.text(
    st.characters(exclude_categories=["Cs"]) | st.sampled_from("\n\x1b ,:%\udcff"), min_size=1, max_size=30
)


@st.composite
def spans(draw: st.DrawFn) -> Span:
    source = Source(draw(_NAMES), draw(_TEXT) * draw(st.sampled_from((1, 1, 30))))
    start = draw(st.integers(0, len(source.text)))
    return Span(source, start, draw(st.integers(start, len(source.text))))


_DIAGNOSTICS = st.builds(
    Diagnostic,
    st.sampled_from(Code),
    _WORDS,
    st.none() | spans(),
    st.none() | _TEXT,
    st.lists(st.builds(Related, _WORDS, spans()), max_size=2).map(tuple),
    st.sampled_from(Severity),
    st.none() | _NAMES,
)


@given(st.lists(_DIAGNOSTICS, max_size=3))
def test_whatever_they_hold_diagnostics_can_be_told(diagnostics: list[Diagnostic]) -> None:
    assert_reportable(diagnostics)


@given(st.lists(_DIAGNOSTICS, max_size=4))
def test_the_order_is_that_of_places(diagnostics: list[Diagnostic]) -> None:
    told = json.loads(as_json(diagnostics))["diagnostics"]
    places = [(entry["file"], entry["line"] or 0, entry["column"] or 0) for entry in told]
    assert places == sorted(places)
