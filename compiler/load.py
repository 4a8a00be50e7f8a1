"""Reads a file into a program: the entrance to the front end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from svcc.compiler import ir
from svcc.compiler.checks import check
from svcc.compiler.codes import Code
from svcc.compiler.diagnostic import Diagnostic, has_errors
from svcc.compiler.files import LIMIT, Budget, Unreadable, resolved
from svcc.compiler.include import Reader, read_text
from svcc.compiler.ir_from_json import from_json
from svcc.compiler.lower import lower
from svcc.compiler.source import Source
from svcc.compiler.sources import Sources, source_of

#: Findings that something is missing. They are left out where errors may have hidden it.
_ABOUT_ABSENCE = {
    *(Code.MISSING, Code.UNDEFINED, Code.UNUSED, Code.UNREACHABLE, Code.UNREACHED, Code.EMPTY_FAMILY),
    *(Code.NEARNESS, Code.BACKUP_ALONE),
}


@dataclass(frozen=True, slots=True)
class Loaded:
    """The result of reading a program. ``program`` is None where a diagnostic is an error."""

    program: ir.Program | None
    diagnostics: tuple[Diagnostic, ...]
    sources: Sources | None = None  # None for standard input, and for a text


def load(name: str, unsaved: Mapping[str, bytes] | None = None) -> Loaded:
    """Read a program from a file, or from standard input where ``name`` is ``-``.

    ``unsaved``: what is read in place of files, by their resolved paths.

    A file that ends in ``.json``, or a text that begins with ``{``, is the IR's JSON form; all else is the
    language. Whatever the input is, the answer is a program or diagnostics, never an exception.
    """
    data = read_file(name, unsaved)
    return Loaded(None, (data,)) if isinstance(data, Diagnostic) else load_data(name, data, unsaved)


def read_file(name: str, unsaved: Mapping[str, bytes] | None = None) -> bytes | Diagnostic:
    """Return the bytes of a file, or of standard input where ``name`` is ``-``; or a diagnostic that says why it cannot
    be read.
    """
    try:
        return Budget(unsaved=unsaved or {}).read(name)
    except Unreadable as error:
        return Diagnostic(Code.UNREADABLE, f"cannot read {name}: {error}", file=name)


def load_data(name: str, data: bytes, unsaved: Mapping[str, bytes] | None = None) -> Loaded:
    """Return the program in a file's content. ``name``: the file's name; ``unsaved`` as for :func:`load`."""
    read = read_text("<stdin>" if name == "-" else name, data)
    if isinstance(read, Diagnostic):
        return Loaded(None, (read,))
    first = None if name == "-" else source_of(name, data)
    if read.is_json():
        program, diagnostics = load_json(read)
        return replace(_finish(program, diagnostics, complete=True), sources=first)
    return _load_text(read, None if name == "-" else Path(name), first, unsaved)


def load_json(source: Source) -> tuple[ir.Program | None, list[Diagnostic]]:
    """Return the program in the JSON form, which is not checked yet, or what is wrong with it."""
    program, diagnostics = from_json(source)
    if program is None:
        from svcc.compiler.foreign_files import foreign_file  # needed only for programs with errors

        diagnostics = [foreign] if (foreign := foreign_file(source)) is not None else diagnostics
    return program, diagnostics


def load_text(source: Source, path: Path | None = None) -> Loaded:
    """Read a program in the language. Includes are relative to ``path``'s folder, else to the working directory."""
    return _load_text(source, path, None)


def _load_text(
    source: Source, path: Path | None, first: Sources | None, unsaved: Mapping[str, bytes] | None = None
) -> Loaded:
    reader = Reader(Budget(LIMIT - len(source.text), unsaved or {}))
    reader.add(source, Path(".") if path is None else path.parent, path and resolved(path))
    program, diagnostics = lower(reader.files)
    loaded = _finish(program, reader.diagnostics + diagnostics, reader.complete)
    return replace(loaded, sources=first and reader.sources(first))


def _finish(program: ir.Program | None, diagnostics: list[Diagnostic], complete: bool) -> Loaded:
    """Check the program, and leave out findings that are there only because errors hid something."""
    if not complete:
        diagnostics = [d for d in diagnostics if d.code not in _ABOUT_ABSENCE]
    sound = not has_errors(diagnostics)
    if program is not None:
        diagnostics = diagnostics + [d for d in check(program) if sound or d.code not in _ABOUT_ABSENCE]
    if has_errors(diagnostics):
        program = None
    if program is not None:
        ir.note_checked(program)
    return Loaded(program, tuple(dict.fromkeys(diagnostics)))
