"""Reads a file and all that it includes, and parses each file once."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field, replace
from pathlib import Path

from svcc.compiler import syntax
from svcc.compiler.codes import Code
from svcc.compiler.diagnostic import Diagnostic, Related
from svcc.compiler.files import Budget, Unreadable, may_quote, resolved
from svcc.compiler.parse import parse
from svcc.compiler.source import Source, Span
from svcc.compiler.sources import Sources, digest, matching, matching_names
from svcc.compiler.syntax import Word

#: The most characters of a line. They hold a list of some ten thousand addresses.
_LINE = 500_000
_LONG = re.compile(rf"^[^\n]{{{_LINE + 1}}}", re.MULTILINE)

#: The most lines, and the most statements, of a file: ten times what ten thousand services take.
_STATEMENTS = 1_000_000

#: The most levels of files that include files.
_DEPTH = 50

#: The most `include` statements of one program. Each of them looks through a folder.
_INCLUDES = 10_000


def read_text(name: str, data: bytes) -> Source | Diagnostic:
    """Return the text of a file: UTF-8, with or without a byte order mark.

    Return a diagnostic where it is something else.
    """
    try:
        source = Source(name, data.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        good = Source(name, data[: error.start].decode("utf-8-sig", "replace") + "\ufffd")
        offset = len(good.text) - 1
        message = f"byte 0x{data[error.start]:02x} is not UTF-8 text"
        return Diagnostic(Code.ENCODING, message, Span(good, offset, offset + 1), "save the file as UTF-8")
    offset = source.text.find("\0")
    if offset >= 0:
        return Diagnostic(Code.ENCODING, "byte 0x00 is not text", Span(source, offset, offset + 1))
    return source


def too_much(source: Source) -> Diagnostic | None:
    """Return an error where a file has too many lines, or a line that is too long for any statement.

    Parsing it would take minutes.
    """
    if source.text.count("\n") + source.text.count(";") > _STATEMENTS:
        message = f"{source.name} has more than {_STATEMENTS} lines and statements: that is no program"
        return Diagnostic(Code.SYNTAX, message, file=source.name)
    found = _LONG.search(source.text)
    if found is None:
        return None
    message = f"a line of more than {_LINE} characters is no statement"
    return Diagnostic(Code.SYNTAX, message, Span(source, found.start(), found.start() + 1))


def _not_shown(source: Source, diagnostics: list[Diagnostic], included: Span | None) -> Diagnostic:
    """Return one error for all that is wrong with a file whose lines must not be shown."""
    if diagnostics[0].code is Code.FOREIGN:
        return replace(diagnostics[0], span=included, file=source.name)
    line = min((d.span.source.position(d.span.start)[0] for d in diagnostics if d.span), default=1)
    message = f"{source.name} is not written in svcc's language: line {line} is no statement"
    hint = "as root, svcc shows only lines of files whose names end in .dsl"
    return Diagnostic(Code.SYNTAX, message, included, hint, file=source.name)


def parse_shown(
    source: Source, path: Path | None = None, included: Span | None = None
) -> tuple[syntax.File | None, list[Diagnostic]]:
    """Return the file's syntax, and what is wrong with it. Its lines are quoted only where those of the file at
    ``path`` may be shown.

    ``included``: the place of the include statement.
    """
    wrong = too_much(source)
    file, diagnostics = parse(source) if wrong is None else (None, [wrong])
    if diagnostics and path is not None and not may_quote(path):
        return None, [_not_shown(source, diagnostics, included)]
    return file, diagnostics


@dataclass(slots=True)
class Reader:
    """Reads and parses a file and its includes, depth first. What is wrong goes to ``diagnostics``."""

    budget: Budget = field(default_factory=Budget)
    files: list[syntax.File] = field(default_factory=list)
    diagnostics: list[Diagnostic] = field(default_factory=list)
    complete: bool = True  # False: some text could not be read or parsed
    _named: list[tuple[str, str]] = field(default_factory=list)  # for the meaning of these three, see Sources
    _links: list[tuple[str, str]] = field(default_factory=list)
    _patterns: list[tuple[str, str, tuple[str, ...]]] = field(default_factory=list)
    _read: set[Path] = field(default_factory=set)
    _open: list[Path] = field(default_factory=list)
    _stopped: bool = False  # there are more includes than svcc follows

    def sources(self, first: Sources) -> Sources:
        """Return what was read. ``first`` is the file that was added first."""
        return Sources((*first.files, *self._named), (*first.links, *self._links), tuple(self._patterns))

    def add(self, source: Source, folder: Path, path: Path | None = None, included: Span | None = None) -> None:
        """Parse a source whose includes are relative to ``folder``.

        ``path``: its own place, resolved; ``included``: the place of the include statement.
        """
        if path is not None:
            self._read.add(path)
            self._open.append(path)
        file, diagnostics = parse_shown(source, path, included)
        self.diagnostics += diagnostics
        self.complete &= not diagnostics
        if file is not None:
            self.files.append(file)
            for item in file.items:
                if isinstance(item, syntax.Setting) and item.keyword == "include":
                    self._include(source, folder, item.values[0])
        if path is not None:
            self._open.pop()

    def _include(self, source: Source, folder: Path, word: Word) -> None:
        span = Span(source, word.start_pos or 0, word.end_pos or 0)
        pattern = word[1:-1]
        if len(self._patterns) == _INCLUDES:
            if not self._stopped:
                self._error(Code.UNREADABLE, f"a program has at most {_INCLUDES} includes", span)
            self._stopped = True
            return
        try:
            matches = sorted({*matching(folder, pattern), *matching_names(self.budget.unsaved, folder, pattern)})
        except OSError as error:
            self._error(Code.UNREADABLE, f"cannot look for {word}: {error.strerror}", span)
            return
        self._patterns.append((os.path.abspath(folder), pattern, tuple(matches)))
        if not matches:
            from svcc.compiler.slips.declarations import hint_for_path  # needed only for programs with errors

            relative = f"the pattern is relative to {folder}/" if str(folder) != "." else None
            self._error(Code.INCLUDE_EMPTY, f"no file matches {word}", span, hint_for_path(pattern) or relative)
        for number, match in enumerate(matches):
            self._included(folder / match, span, number)

    def _included(self, path: Path, span: Span, number: int) -> None:
        real = resolved(path)
        self._links.append((os.path.abspath(path), str(real)))
        if real in self._open:
            names = [p.name for p in self._open[self._open.index(real) :]] + [real.name]
            self._error(Code.INCLUDE_CYCLE, f"files include each other: {' -> '.join(names)}", span)
        elif len(self._open) >= _DEPTH:
            self._error(Code.UNREADABLE, f"cannot read {path}: includes go more than {_DEPTH} deep", span)
        elif real not in self._read:
            try:
                data = self.budget.read(str(path))
            except Unreadable as error:
                self._error(Code.UNREADABLE, f"cannot read {path}: {error}", span)
                return
            self._named.append((os.path.abspath(path), digest(data)))
            read = read_text(str(path), data)
            if isinstance(read, Diagnostic):
                shown = read.span if may_quote(real) else None
                self._error(read.code, read.message, shown or span, read.hint, (Related("included here", span),))
            else:
                self.add(replace(read, included=span, number=number), path.parent, real, span)

    def _error(
        self,
        code: Code,
        message: str,
        span: Span | None,
        hint: str | None = None,
        related: tuple[Related, ...] = (),
    ) -> None:
        self.complete = False
        self.diagnostics.append(Diagnostic(code, message, span, hint, related))
