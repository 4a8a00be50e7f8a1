"""What svcc raises for those who use it from Python: one tree, with what an error is about as fields."""

from __future__ import annotations

from collections.abc import Sequence

from svcc.compiler.diagnostic import Diagnostic
from svcc.compiler.report import as_text


class SvccError(Exception):
    """The root of the tree."""


class InputError(SvccError):
    """A program, or a file that holds one, is wrong. ``diagnostics``: every finding, errors and warnings."""

    def __init__(self, diagnostics: Sequence[Diagnostic]) -> None:
        super().__init__(as_text(diagnostics).rstrip("\n"))
        self.diagnostics = tuple(diagnostics)
