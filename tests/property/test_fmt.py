"""``svcc fmt``: the same program, no comment lost, and nothing left to do, however a text is written."""

from __future__ import annotations

import re
from functools import cache, partial

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lark import Token

from support.dsl_printer import program_text, spellings
from support.files import texts_of_the_language
from support.laid_out import comments, formatted_text, is_text_of_the_language, laid_out
from support.strategies import programs
from svcc.compiler.load import load_text
from svcc.compiler.source import Source
from svcc.grammar import parser

_tokens = cache(partial(parser, every_token=True))
_ALL = settings(suppress_health_check=list(HealthCheck))


@cache
def sound() -> list[str]:
    """The texts of the repository that are of the language."""
    texts = (path.read_text(encoding="utf-8") for path in texts_of_the_language())
    return [text for text in texts if is_text_of_the_language(text)]


def places(text: str) -> list[int]:
    """Where each token of a text begins and ends."""
    text = text if text.endswith("\n") else f"{text}\n"
    found = {0}
    for token in _tokens().parse(text).scan_values(lambda value: isinstance(value, Token)):
        found |= {token.start_pos or 0, token.end_pos or 0}
    return sorted(found)


@st.composite
def texts(draw: st.DrawFn) -> str:
    """Texts of the language: our own, and drawn programs in any spelling."""
    if draw(st.booleans()):
        return draw(st.sampled_from(sound()))
    return draw(st.sampled_from(sorted(draw(spellings(draw(programs(max_services=2)))).values())))


@st.composite
def commented(draw: st.DrawFn) -> str:
    """A text with comments and blank lines wherever the grammar takes them."""
    text = draw(texts()).removeprefix("\ufeff")
    for number in range(draw(st.integers(1, 6))):
        at = draw(st.sampled_from(places(text)))
        before, after = draw(
            st.sampled_from((("", "\n"), (" ", "\n\n\n"), ("\n", "\n"), (";", "\n"), ("\n\n\t", "\r\n")))
        )
        note = draw(st.sampled_from(("#", "# a } note, { of [ ; $all", '#"half', "# é漢 \t", "#\x0b#\x85 \u2028")))
        changed = f"{text[:at]}{before}{note} {number}{after}{text[at:]}"
        text = changed if is_text_of_the_language(changed) else text
    return text


@_ALL
@given(st.data())
def test_a_program_means_the_same_in_the_one_layout(data: st.DataObject) -> None:
    program = data.draw(programs())
    files = data.draw(spellings(program))
    for text in files.values():
        laid_out(text.removeprefix("\ufeff"))
    if len(files) == 1:
        (text,) = files.values()
        assert load_text(Source("main.dsl", formatted_text(text.removeprefix("\ufeff")))).program == program


@_ALL
@given(commented())
def test_no_comment_is_lost_wherever_it_stands(text: str) -> None:
    laid_out(text)


@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_a_comment_between_any_two_tokens_stays_where_the_grammar_takes_it(line_end: str) -> None:
    text = (
        'include "x" # of y\n\nlet a = [\n  10.0.0.1, $b # c\n]\ncluster { pods $a; mark 1 }\n'
        "node n { address 10.0.0.1 zone z }\nservice s { port 80/tcp\n  endpoints p { 10.0.0.9; 10.0.0.8 weight 2 } }"
    ).replace("\n", line_end)
    tried = [f"{text[:at]} # here{line_end}{text[at:]}" for at in places(text)]
    taken = [changed for changed in tried if is_text_of_the_language(changed)]
    assert len(taken) > 20
    for changed in taken:
        assert "# here" in {comment for comment, _ in comments(laid_out(changed))}


@_ALL
@given(texts(), st.sampled_from(("\n", "\r\n")))
def test_lines_end_as_the_first_line_did(text: str, line_end: str) -> None:
    text = text.removeprefix("\ufeff").replace("\r\n", "\n")
    mixed = text.replace("\n", line_end, 1).rstrip("\n")
    expected = laid_out(text).replace("\n", line_end if "\n" in text.rstrip("\n") else "\n")
    assert laid_out(mixed) == expected


@_ALL
@given(programs(max_services=2), st.data())
def test_how_blanks_and_lines_were_set_does_not_matter(program: object, data: st.DataObject) -> None:
    """Only which blocks had several lines, and where there were blank lines."""
    text = program_text(program)  # type: ignore[arg-type]
    blanks = st.sampled_from((" ", "  ", "\t", " \t "))
    loose = re.sub(r'("[^"\n]*")| +(?=[^\s])', lambda found: found[1] or data.draw(blanks), text)
    loose = re.sub(r"\n(?=.)", lambda _: data.draw(st.sampled_from(("\n", " ;\n", "\n;;"))), loose)
    assert laid_out(loose) == laid_out(text)
