"""Checks of every text that ``svcc fmt`` lays out, without its own reader: by regular expressions, and by the
parser."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from svcc.compiler import syntax
from svcc.compiler.fmt import format_source
from svcc.compiler.parse import parse
from svcc.compiler.report import as_text
from svcc.compiler.source import Source

_PIECES = re.compile(r'"[^"\n]*"|(?P<comment>#[^\n]*)')


def laid_out(text: str) -> str:
    """Return the text in the one layout, after all checks of such a text."""
    formatted = formatted_text(text)
    assert statements(formatted) == statements(text)
    assert comments(formatted) == comments(text)
    assert formatted_text(formatted) == formatted, "it is not laid out once for all"
    _assert_neat(formatted)
    return formatted


def formatted_text(text: str) -> str:
    formatted = format_source(Source("main.dsl", text))
    assert isinstance(formatted, str), as_text(formatted)
    return formatted


def is_text_of_the_language(text: str) -> bool:
    return not parse(Source("main.dsl", text))[1]


def statements(text: str) -> tuple[syntax.Item, ...]:
    """Return all statements; words are compared as they are written, without their places."""
    file, diagnostics = parse(Source("main.dsl", text))
    assert file is not None, as_text(diagnostics)
    assert not diagnostics, as_text(diagnostics)
    return tuple(map(_line_by_line, file.items))


def _line_by_line(item: Any) -> Any:
    """Return the same with a line for each endpoint: how many of them the parser reads in one piece does not matter."""
    if isinstance(item, syntax.Block):
        return replace(item, statements=tuple(map(_line_by_line, item.statements)))
    if isinstance(item, (syntax.Pool, syntax.EndpointsStatement)):
        return replace(item, lines=tuple(line for some in item.lines for line in _lines(some)))
    return item


def _lines(some: syntax.EndpointLine | syntax.AddressLines) -> Iterator[syntax.EndpointLine]:
    if isinstance(some, syntax.EndpointLine):
        yield some
    else:
        for text, _ in some.words():
            yield syntax.EndpointLine(syntax.Word("BRACKETED" if text[0] == "[" else "ADDRESS", text))


def comments(text: str) -> list[tuple[str, str]]:
    """Return every comment, with the last character of code before it on its line, "" where there is none."""
    found = []
    for piece in _PIECES.finditer(text):
        if piece["comment"]:
            line = text[text.rfind("\n", 0, piece.start()) + 1 : piece.start()].rstrip(" \t;,")
            found.append((piece["comment"].rstrip(" \t\r"), line[-1:]))
    return found


def _assert_neat(text: str) -> None:
    lines = text.split("\r\n" if "\r\n" in text else "\n")
    assert lines.pop() == "", "the last line has no end"
    for number, line in enumerate(lines):
        assert line == line.rstrip(" \t\r"), "blanks at the end of a line"
        assert line or (0 < number < len(lines) - 1 and lines[number - 1]), "a blank line too many"
        code = _PIECES.sub("", line)
        assert "\t" not in code
        assert ";" not in re.sub(r"\{.*\}", "", code), "two statements in one line"
