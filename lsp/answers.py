"""Turns what the server found into the protocol's types."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from lsprotocol import types as lsp

from svcc.compiler.diagnostic import Severity
from svcc.lsp.documents import Document, Documents
from svcc.lsp.findings import Finding, Spot
from svcc.lsp.names import Kind, Name
from svcc.lsp.outline import Item, Outline
from svcc.lsp.text import Place, Text

_SEVERITIES = {Severity.ERROR: lsp.DiagnosticSeverity.Error, Severity.WARNING: lsp.DiagnosticSeverity.Warning}


def position(place: Place) -> lsp.Position:
    """Return a place in a text in the protocol's form; both count from 0."""
    return lsp.Position(place.line, place.unit)


def range_of(text: Text, start: int, end: int) -> lsp.Range:
    """Return the range between two offsets in a text."""
    return lsp.Range(position(text.place(start)), position(text.place(end)))


def spot_range(spot: Spot) -> lsp.Range:
    """Return the range of a spot."""
    return lsp.Range(position(spot.first), position(spot.last))


# ---- diagnostics


def diagnostic(finding: Finding, documents: Documents | None) -> lsp.Diagnostic:
    """Return a finding as a diagnostic.

    ``documents``: where second places are looked up; None: second places are left out.
    """
    message = finding.message if finding.hint is None else f"{finding.message}\nhint: {finding.hint}"
    return lsp.Diagnostic(
        spot_range(finding.spot),
        message,
        severity=_SEVERITIES[finding.severity],
        code=finding.code,
        source="svcc",
        tags=[lsp.DiagnosticTag.Unnecessary] if finding.unused else None,
        related_information=[
            lsp.DiagnosticRelatedInformation(lsp.Location(documents.uri_of(spot.path), spot_range(spot)), said)
            for said, spot in finding.related
            if documents is not None
        ]
        or None,
    )


def actions(document: Document, found: Iterable[Finding], asked: lsp.Range) -> list[lsp.CodeAction]:
    """Return the quick fixes for the findings in a range: those whose hint names the right word."""
    first, last = (asked.start.line, asked.start.character), (asked.end.line, asked.end.character)
    return [
        lsp.CodeAction(
            f"Write {finding.fix}",
            lsp.CodeActionKind.QuickFix,
            [diagnostic(finding, None)],
            is_preferred=True,
            edit=lsp.WorkspaceEdit(
                document_changes=[
                    lsp.TextDocumentEdit(
                        lsp.OptionalVersionedTextDocumentIdentifier(uri=document.uri, version=document.version),
                        [lsp.TextEdit(spot_range(finding.spot), finding.fix)],
                    )
                ]
            ),
        )
        for finding in found
        if finding.fix is not None and finding.spot.first <= last and first <= finding.spot.last
    ]


# ---- layout


def replacement(text: Text, after: str) -> list[lsp.TextEdit]:
    """Return one edit, from the first line that differs to the last."""
    before = text.content
    if before == after:
        return []
    old, new = before.split("\n"), after.split("\n")
    first = _lines_in_common(old, new)
    last = min(_lines_in_common(old[::-1], new[::-1]), len(old) - first, len(new) - first)
    start, left = _characters(old[:first]), _characters(old[len(old) - last :])
    return [lsp.TextEdit(range_of(text, start, len(before) - left), after[start : len(after) - left])]


def _lines_in_common(old: list[str], new: list[str]) -> int:
    """Return how many lines are the same at the beginning."""
    return next(
        (at for at, pair in enumerate(zip(old, new, strict=False)) if pair[0] != pair[1]), min(len(old), len(new))
    )


def _characters(lines: list[str]) -> int:
    return sum(len(line) + 1 for line in lines)


# ---- symbols

_SYMBOLS = {
    Kind.LET: lsp.SymbolKind.Constant,
    Kind.NODE: lsp.SymbolKind.Object,
    Kind.POOL: lsp.SymbolKind.Array,
    Kind.SERVICE: lsp.SymbolKind.Class,
    Kind.BALANCER: lsp.SymbolKind.Interface,
    Kind.PORT: lsp.SymbolKind.Field,
    Kind.INCLUDE: lsp.SymbolKind.File,
}
_UNNAMED = ("cluster", "defaults")


class Plain:
    """An answer that is the protocol's JSON already. There may be tens of thousands of symbols, and making objects of
    them first would keep every other answer waiting.
    """

    __slots__ = ("data",)

    def __init__(self, data: list[dict[str, object]]) -> None:
        self.data = data


def symbols(text: Text, outline: Outline) -> Plain:
    """Return the items of a file as symbols, services with their ports (LSP 3.17, DocumentSymbol)."""
    return Plain([*_symbols(text, outline)])


def _symbols(text: Text, outline: Outline) -> Iterator[dict[str, object]]:
    for item in outline.items:
        scanned = item.scanned
        whole = _plain_range(text, item.start, item.end)
        if scanned.name is not None:
            symbol = _symbol(text, item, scanned.name)
            ports = [
                _symbol(text, item, name) for name in scanned.names if name.key.kind is Kind.PORT and name.declares
            ]
            yield {**symbol, "detail": scanned.keyword, "range": whole, **({"children": ports} if ports else {})}
        elif scanned.keyword in _UNNAMED:
            selected = _plain_range(text, item.start, item.start + len(scanned.keyword))
            kind = lsp.SymbolKind.Namespace.value
            yield {"name": scanned.keyword, "kind": kind, "range": whole, "selectionRange": selected}


def _symbol(text: Text, item: Item, name: Name) -> dict[str, object]:
    place = _plain_range(text, item.start + name.start, item.start + name.end)
    return {"name": _symbol_name(name), "kind": _SYMBOLS[name.key.kind].value, "range": place, "selectionRange": place}


def _plain_range(text: Text, start: int, end: int) -> dict[str, object]:
    first, last = text.place(start), text.place(end)
    return {
        "start": {"line": first.line, "character": first.unit},
        "end": {"line": last.line, "character": last.unit},
    }


def _symbol_name(name: Name) -> str:
    """Return what is shown for a name. A symbol's name must not be empty (LSP 3.17, DocumentSymbol)."""
    return name.key.name.strip() or '""'
