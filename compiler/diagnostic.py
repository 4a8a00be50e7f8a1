"""Diagnostics: what svcc finds in an input, as data.

Rendering (text, json, sarif, github) is in :mod:`svcc.compiler.report`; the codes and their titles are in
:mod:`svcc.compiler.codes`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from svcc.compiler.codes import Code
from svcc.compiler.source import Span


class Severity(StrEnum):
    """Whether a finding ends the compilation."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Related:
    """A second place that explains the first ("first declared here")."""

    message: str
    span: Span


def related(message: str, span: Span | None) -> tuple[Related, ...]:
    """Return a second place for a diagnostic, or nothing where the place is not known (IR may come without places)."""
    return () if span is None else (Related(message, span),)


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """A finding in a program.

    ``code`` is what `svcc explain` explains; ``related``: other places that the finding is about.
    """

    code: Code
    message: str
    span: Span | None = None
    hint: str | None = None
    related: tuple[Related, ...] = ()
    severity: Severity = Severity.ERROR
    file: str | None = None  # the file that is meant, where there is no span


def has_errors(diagnostics: tuple[Diagnostic, ...] | list[Diagnostic]) -> bool:
    """Whether any of the diagnostics is an error."""
    return any(d.severity is Severity.ERROR for d in diagnostics)
