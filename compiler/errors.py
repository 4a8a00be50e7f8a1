"""The exceptions that svcc raises for callers from Python: one tree, in which the fields say what an error is about."""

from __future__ import annotations

from collections.abc import Sequence

from svcc.compiler.diagnostic import Diagnostic
from svcc.compiler.report import as_text


class SvccError(Exception):
    """The root of svcc's exceptions."""


class InputError(SvccError):
    """A program, or a file that holds one, is wrong. ``diagnostics``: every finding, errors and warnings."""

    def __init__(self, diagnostics: Sequence[Diagnostic]) -> None:
        super().__init__(as_text(diagnostics).rstrip("\n"))
        self.diagnostics = tuple(diagnostics)
