"""Prints diagnostics for people (text) and for machines (json, sarif, github)."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any

from svcc.compiler.codes import Code
from svcc.compiler.diagnostic import Diagnostic, Severity
from svcc.compiler.files import is_shown
from svcc.compiler.source import Span
from svcc.compiler.suggest import shorten


def in_order(diagnostics: Iterable[Diagnostic]) -> list[Diagnostic]:
    """Sort diagnostics by file, then position; those without a place come first. What must not be shown is left out of
    them (:func:`~svcc.compiler.files.is_shown`)."""

    def place(diagnostic: Diagnostic) -> tuple[str, int]:
        span = diagnostic.span
        return (diagnostic.file or "", -1) if span is None else (span.source.name, span.start)

    return sorted(map(_without_lines, diagnostics), key=place)


def _without_lines(diagnostic: Diagnostic) -> Diagnostic:
    """Return a diagnostic that says no more than the line, where a file that it quotes must not be shown."""
    spans = [span for span in (diagnostic.span, *(r.span for r in diagnostic.related)) if span is not None]
    hidden = next((span for span in spans if not is_shown(span.source.name)), None)
    if hidden is None:
        return diagnostic
    name, (line, _) = hidden.source.name, hidden.source.position(hidden.start)
    message = f"{name} is a link to a file of another name, and line {line} of it is not what it should be"
    hint = "as root, svcc shows no lines of such a file: name the file itself"
    return replace(diagnostic, message=message, span=None, hint=hint, related=(), file=name)


def _region(span: Span) -> tuple[int, int, int, int]:
    """Return line, column, end line and end column (exclusive), from 1."""
    return *span.source.position(span.start), *span.source.position(max(span.end, span.start + 1))


def _file(diagnostic: Diagnostic) -> str:
    return diagnostic.file or "" if diagnostic.span is None else diagnostic.span.source.name


def printable(text: str) -> str:
    """Return the text with its hidden characters made visible, so that no terminal acts on them."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c == "\t" else _escaped(ord(c)) for c in text)


def _escaped(code: int) -> str:
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


# ---- text

#: The most characters of a source line that are shown.
_WIDE = 160


def as_text(diagnostics: Iterable[Diagnostic]) -> str:
    """Return a block for each diagnostic: message, place, line with the culprit underlined, hint, related places."""
    return "\n".join("".join(line + "\n" for line in _block(d)) for d in in_order(diagnostics))


def _block(diagnostic: Diagnostic) -> Iterator[str]:
    yield f"{diagnostic.severity}[{diagnostic.code.id}]: {_printed(diagnostic.message)}"
    spans = [span for span in (diagnostic.span, *(r.span for r in diagnostic.related)) if span is not None]
    gutter = max((len(str(span.source.position(span.start)[0])) for span in spans), default=1)
    if diagnostic.span is not None:
        yield from _excerpt(diagnostic.span, gutter, "-->", "^", "")
    elif diagnostic.file is not None:
        yield f"{' ' * gutter}--> {printable(diagnostic.file)}"
    for related in diagnostic.related:
        yield from _excerpt(related.span, gutter, ":::", "-", related.message)
    if diagnostic.hint is not None:
        yield f"{' ' * gutter} = hint: {_printed(diagnostic.hint)}"


def _excerpt(span: Span, gutter: int, arrow: str, mark: str, message: str) -> Iterator[str]:
    line, column = span.source.position(span.start)
    yield f"{' ' * gutter}{arrow} {printable(span.source.name)}:{line}:{column}"
    text = span.source.line(line)
    if len(text) > _WIDE:
        text, column = _stretch(text, column)
    width = max(1, len(printable(text[column - 1 : column - 1 + span.end - span.start])))
    margin = "".join("\t" if c == "\t" else " " * len(printable(c)) for c in text[: column - 1])
    yield f"{line:>{gutter}} | {printable(text)}".rstrip()
    yield f"{' ' * gutter} | {margin}{mark * width} {_printed(message)}".rstrip()


def _stretch(text: str, column: int) -> tuple[str, int]:
    """Return the part of a long line around a column, and the column in that part."""
    start = max(0, column - _WIDE // 2)
    if start:
        text, column = f"…{text[start:]}", column - start + 1
    return (text if len(text) <= _WIDE else f"{text[:_WIDE]}…"), column


def _printed(text: str) -> str:
    return shorten(printable(text), 3 * _WIDE)


# ---- for machines


def as_json(diagnostics: Iterable[Diagnostic]) -> str:
    """Return the diagnostics as one JSON object; its form is that of diagnostics.schema.json."""
    return json.dumps({"diagnostics": [_to_json(d) for d in in_order(diagnostics)]}, indent=2) + "\n"


def _place_to_json(span: Span | None, file: str) -> dict[str, Any]:
    line, column, end_line, end_column = (None,) * 4 if span is None else _region(span)
    return {"file": file, "line": line, "column": column, "end_line": end_line, "end_column": end_column}


def _to_json(diagnostic: Diagnostic) -> dict[str, Any]:
    return {
        "code": diagnostic.code.id,
        "severity": diagnostic.severity.value,
        "message": diagnostic.message,
        **_place_to_json(diagnostic.span, _file(diagnostic)),
        "hint": diagnostic.hint,
        "related": [{"message": r.message, **_place_to_json(r.span, r.span.source.name)} for r in diagnostic.related],
    }


def as_github(diagnostics: Iterable[Diagnostic]) -> str:
    """Return workflow commands of GitHub Actions, which show diagnostics as annotations of a pull request."""
    return "".join(_workflow_command(d) + "\n" for d in in_order(diagnostics))


def _workflow_command(diagnostic: Diagnostic) -> str:
    properties: dict[str, Any] = {"file": _file(diagnostic)}
    if diagnostic.span is not None:
        line, column, end_line, end_column = _region(diagnostic.span)
        properties |= {"line": line, "col": column, "endLine": end_line, "endColumn": end_column}
    properties["title"] = diagnostic.code.id
    text = diagnostic.message if diagnostic.hint is None else f"{diagnostic.message}\nhint: {diagnostic.hint}"
    listed = ",".join(f"{k}={_escape(str(v)).replace(':', '%3A').replace(',', '%2C')}" for k, v in properties.items())
    return f"::{diagnostic.severity} {listed}::{_escape(text)}"


def _escape(text: str) -> str:
    """Return a text as the data of a workflow command; it keeps its lines."""
    return "%0A".join(printable(line) for line in text.replace("%", "%25").split("\n"))


def as_sarif(diagnostics: Iterable[Diagnostic]) -> str:
    """Return the diagnostics as SARIF 2.1.0, for code scanning."""
    rules = [{"id": code.id, "shortDescription": {"text": code.title}} for code in Code]
    driver = {"name": "svcc", "rules": rules}
    run = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "results": [_sarif_result(d) for d in in_order(diagnostics)],
    }
    return json.dumps({"$schema": _SARIF_SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2) + "\n"


_SARIF_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"


def _sarif_result(diagnostic: Diagnostic) -> dict[str, Any]:
    text = diagnostic.message if diagnostic.hint is None else f"{diagnostic.message} ({diagnostic.hint})"
    result: dict[str, Any] = {
        "ruleId": diagnostic.code.id,
        "level": "error" if diagnostic.severity is Severity.ERROR else "warning",
        "message": {"text": text},
        "locations": [_sarif_location(diagnostic.span, _file(diagnostic))],
    }
    if diagnostic.related:
        result["relatedLocations"] = [
            {"message": {"text": r.message}, **_sarif_location(r.span, r.span.source.name)} for r in diagnostic.related
        ]
    return result


def _sarif_location(span: Span | None, file: str) -> dict[str, Any]:
    from urllib.parse import quote  # only this format needs it

    place: dict[str, Any] = {"artifactLocation": {"uri": quote(file, errors="surrogateescape")}}
    if span is not None:
        line, column, end_line, end_column = _region(span)
        place["region"] = {"startLine": line, "startColumn": column, "endLine": end_line, "endColumn": end_column}
    return {"physicalLocation": place}


FORMATS: dict[str, Callable[[Iterable[Diagnostic]], str]] = {
    "text": as_text,
    "json": as_json,
    "sarif": as_sarif,
    "github": as_github,
}
