"""What holds for every input, good or bad: there is an answer, each finding has a place in the text, and all is
printable."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

from svcc.compiler.codes import Code
from svcc.compiler.diagnostic import Diagnostic, has_errors
from svcc.compiler.load import Loaded
from svcc.compiler.report import as_github, as_json, as_sarif, as_text, in_order
from svcc.compiler.source import Span
from svcc.targets import targets
from svcc.targets.bundle import printed
from svcc.targets.capability import check_target

_CODES = {code.id for code in Code}
_GITHUB = re.compile(r"::(error|warning) file=[^:,\n]*(,(line|col|endLine|endColumn)=\d+){0,4},title=SVC\d{3}::[^\n]+")


def assert_sound(loaded: Loaded) -> None:
    """Check that all of svcc can go on with an answer."""
    assert (loaded.program is None) == has_errors(loaded.diagnostics)
    assert_reportable(loaded.diagnostics)
    if loaded.program is None:
        return
    for target in targets().values():
        for node in (None, *loaded.program.nodes):
            refused = check_target(loaded.program, target, node)
            assert_reportable(refused)
            if refused:
                continue
            bundle = target.render(loaded.program, node)
            assert [artifact.part for artifact in bundle.artifacts] == list(target.parts)
            assert all(not a.text or a.text.endswith("\n") for a in bundle.artifacts)
            assert_printable(printed(target, bundle))


def assert_reportable(diagnostics: Sequence[Diagnostic]) -> None:
    """Check that findings have places inside their texts, and can be printed in every format."""
    for diagnostic in diagnostics:
        assert diagnostic.message
        for span in (diagnostic.span, *(related.span for related in diagnostic.related)):
            if span is not None:
                assert_inside(span)
    assert_text(diagnostics)
    assert_json(diagnostics)
    assert_sarif(diagnostics)
    assert_github(diagnostics)


def assert_inside(span: Span) -> None:
    """Check that a span is inside its text, where a missing last line end counts as there: it may be the culprit."""
    length = len(span.source.text) + (not span.source.text.endswith("\n"))
    assert 0 <= span.start <= span.end <= length, (span.start, span.end, length)


def assert_printable(text: str) -> None:
    """Check that a text has nothing that a terminal would obey, and nothing that cannot be encoded."""
    assert all(c.isprintable() or c in "\n\t" for c in text), repr(text)
    text.encode()


def assert_text(diagnostics: Sequence[Diagnostic]) -> None:
    text = as_text(diagnostics)
    assert_printable(text)
    heads = re.findall(r"^(?:error|warning)\[(SVC\d{3})\]: .+$", text, re.MULTILINE)
    assert len(heads) >= len(diagnostics)
    assert len(max(text.splitlines(), default="", key=len)) < 1_000, "nobody reads such a line"


def assert_json(diagnostics: Sequence[Diagnostic]) -> None:
    text = as_json(diagnostics)
    assert_printable(text)
    document = json.loads(text)
    assert list(document) == ["diagnostics"]
    assert len(document["diagnostics"]) == len(diagnostics)
    keys = ["code", "severity", "message", "file", "line", "column", "end_line", "end_column", "hint", "related"]
    for entry, diagnostic in zip(document["diagnostics"], in_order(diagnostics), strict=True):
        assert list(entry) == keys
        assert entry["code"] in _CODES
        assert entry["severity"] in ("error", "warning")
        assert (entry["line"] is None) == (diagnostic.span is None)
        _assert_region(*(entry[key] for key in ("line", "column", "end_line", "end_column")))
        for related in entry["related"]:
            assert list(related) == ["message", "file", "line", "column", "end_line", "end_column"]
            _assert_region(*(related[key] for key in ("line", "column", "end_line", "end_column")))


def _assert_region(line: int | None, column: int | None, end_line: int | None, end_column: int | None) -> None:
    """Check that a region counts from 1, and that its end, which is exclusive, comes after its start."""
    if line is None:
        assert (column, end_line, end_column) == (None, None, None)
        return
    assert column is not None
    assert end_line is not None
    assert end_column is not None
    assert (1, 1) <= (line, column) < (end_line, end_column)
    assert column >= 1
    assert end_column >= 1


def assert_sarif(diagnostics: Sequence[Diagnostic]) -> None:
    """Check the members that the schema of SARIF 2.1.0 requires of what is used here (sections 3.13, 3.14, 3.27,
    3.30)."""
    text = as_sarif(diagnostics)
    assert_printable(text)
    log = json.loads(text)
    assert log["version"] == "2.1.0"
    (run,) = log["runs"]
    rules = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
    assert len(set(rules)) == len(rules)
    assert len(run["results"]) == len(diagnostics)
    for result in run["results"]:
        assert result["ruleId"] in rules
        assert result["level"] in ("error", "warning")
        assert result["message"]["text"]
        assert result["locations"]
        for location in (*result["locations"], *result.get("relatedLocations", ())):
            _assert_location(location["physicalLocation"])


def _assert_location(location: dict[str, Any]) -> None:
    assert re.fullmatch(r"[\w.~!$&'()*+,;=:@%/-]*", location["artifactLocation"]["uri"], re.ASCII), location
    if "region" in location:
        region = location["region"]
        _assert_region(*(region[key] for key in ("startLine", "startColumn", "endLine", "endColumn")))


def assert_github(diagnostics: Sequence[Diagnostic]) -> None:
    """Check that there is one workflow command per finding, on a line of its own."""
    text = as_github(diagnostics)
    assert_printable(text)
    lines = text.split("\n")
    assert lines.pop() == ""
    assert len(lines) == len(diagnostics)
    for line in lines:
        assert _GITHUB.fullmatch(line), line
