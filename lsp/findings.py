"""What the compiler finds in a program, in the form that editors show: by file, with places in the editor's units."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from svcc.compiler.codes import Code
from svcc.compiler.diagnostic import Diagnostic, Severity
from svcc.compiler.report import in_order
from svcc.compiler.source import Source, Span
from svcc.lsp.text import Place, Text


@dataclass(frozen=True, slots=True)
class Spot:
    """The characters ``start`` to ``end`` of a file, and the same as places."""

    path: str
    start: int
    end: int
    first: Place
    last: Place


@dataclass(frozen=True, slots=True)
class Finding:
    """A finding in a file. ``fix`` is the right word for the text at ``spot``, where the hint names it."""

    spot: Spot
    code: str
    severity: Severity
    message: str
    hint: str | None
    related: tuple[tuple[str, Spot], ...]
    fix: str | None
    unused: bool


def findings(diagnostics: Iterable[Diagnostic], root: str, encoding: str) -> list[Finding]:
    """Return the diagnostics as findings.

    ``root`` is the file that was checked: a diagnostic without a place is shown there.
    """
    spots = _Spots(encoding)
    return [
        Finding(
            spots.of(d.span) if d.span is not None else _top(d.file or root),
            d.code.id,
            d.severity,
            d.message,
            d.hint,
            tuple((related.message, spots.of(related.span)) for related in d.related),
            fix_of(d),
            d.code is Code.UNUSED,
        )
        for d in in_order(diagnostics)
    ]


def by_file(found: Iterable[Finding]) -> Mapping[str, list[Finding]]:
    """Return the findings by the path of their file, in their order."""
    files: dict[str, list[Finding]] = {}
    for finding in found:
        files.setdefault(finding.spot.path, []).append(finding)
    return files


class _Spots:
    """Converts spans to spots. It counts each source's lines only once."""

    def __init__(self, encoding: str) -> None:
        self._encoding = encoding
        self._texts: dict[int, tuple[Source, Text]] = {}

    def of(self, span: Span) -> Spot:
        source, start, end = span
        if id(source) not in self._texts:
            self._texts[id(source)] = source, Text(source.text, self._encoding)
        text = self._texts[id(source)][1]
        last = max(end, start + 1)
        return Spot(os.path.abspath(source.name), start, last, text.place(start), text.place(last))


def _top(file: str) -> Spot:
    return Spot(os.path.abspath(file), 0, 0, Place(0, 0), Place(0, 0))


#: Matches hints that name the right word for the one that they are about.
_RIGHT = re.compile(
    r"(?:`.` is U\+.*: )?did you mean `(\S+)`\?(?: \(.*\))?"
    r"|(?:without quotes|without the colon|a port names its protocol|write the address without a port): (\S+)"
    r'|a name that begins with a digit, or has such signs, is quoted: ("\S+")'
    r"|write (\S+)"
)

_NAMED = re.compile(r"`(\S+?)`")


def fix_of(diagnostic: Diagnostic) -> str | None:
    """Return the right word for the text that the diagnostic is about, if its hint names one.

    Return None where it does not.
    """
    found = None if diagnostic.hint is None or diagnostic.span is None else _RIGHT.fullmatch(diagnostic.hint)
    if found is None or diagnostic.span is None:
        return None
    source, start, end = diagnostic.span
    wrong, right = source.text[start:end], next(group for group in found.groups() if group)
    named = _NAMED.search(diagnostic.message)
    part = next((p for p in (f'"{named[1]}"', named[1]) if wrong.count(p) == 1), wrong) if named else wrong
    right = wrong.replace(part, right)  # the message may be about a part of the word
    bare = found[4] is not None and ("/" in wrong) != ("/" in right)  # the fix would lose the port's protocol
    return None if bare or wrong == right else right
