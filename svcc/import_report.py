"""The report of what an import left out, as text and JSON. Its JSON Schema is import.schema.json, beside this
module."""

from __future__ import annotations

from typing import Any

from svcc.compiler import ir
from svcc.compiler.importers.interface import Imported, Note
from svcc.compiler.report import printable
from svcc.compiler.suggest import shorten

#: How many characters are shown of a statement that was left out.
_WIDE = 120


def report_text(imported: Imported) -> str:
    """Return a line for each note, and a last line that counts."""
    lines = [_line(note) for note in imported.notes]
    nothing = not (lines or imported.program.services or imported.program.nodes)
    last = "svcc: nothing found to import" if nothing else summary(imported.program, len(lines))
    return "".join(f"{line}\n" for line in [*lines, last])


def _line(note: Note) -> str:
    name, line, column, text = _place(note)
    return printable(f"{name}:{line}:{column}: not carried over: {text}: {note.reason}")


def _place(note: Note) -> tuple[str, int, int, str]:
    """Return the source's name, line, column, and the first line of the statement: later lines may hold passwords."""
    source, start, end = note.span
    first, _, more = source.text[start:end].partition("\n")
    text = shorten(" ".join(first[: 10 * _WIDE].split()), _WIDE)
    return source.name, *source.position(start), f"{text} …" if more else text


def summary(program: ir.Program, left_out: int) -> str:
    """Count a program's services and endpoints, and how many things it leaves out, in a line."""
    services, endpoints = _counts(program)
    left = f"{_counted(left_out, 'thing')} not carried over" if left_out else "all of it carried over"
    return f"svcc: {_counted(services, 'service')} with {_counted(endpoints, 'endpoint')}; {left}"


def _counted(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def _counts(program: ir.Program) -> tuple[int, int]:
    return len(program.services), sum(len(service.endpoints) for service in program.services)


def counts_json(program: ir.Program) -> dict[str, int]:
    """Return how many services and endpoints were imported, for the JSON of ``svcc import``."""
    services, endpoints = _counts(program)
    return {"services": services, "endpoints": endpoints}


def report_json(kind: str, imported: Imported) -> dict[str, Any]:
    """Return the report as import.schema.json describes it."""
    return {
        "version": 1,
        "kind": kind,
        **counts_json(imported.program),
        "notes": [_note_json(note) for note in imported.notes],
    }


def _note_json(note: Note) -> dict[str, Any]:
    name, line, column, text = _place(note)
    end_line, end_column = note.span.source.position(max(note.span.end, note.span.start + 1))
    return {
        "file": name,
        "line": line,
        "column": column,
        "end_line": end_line,
        "end_column": end_column,
        "text": text,
        "reason": note.reason,
    }
