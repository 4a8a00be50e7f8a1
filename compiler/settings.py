"""The settings of one block: what its statements say, as fields of the IR."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from svcc.compiler.codes import Code
from svcc.compiler.diagnostic import Related
from svcc.compiler.source import Span
from svcc.compiler.syntax import Word
from svcc.compiler.values import Values


@dataclass(slots=True)
class Settings:
    """Fields of the IR by name, and the place of each statement by its words (``"traffic external"``)."""

    values: Values
    fields: dict[str, Any] = field(default_factory=dict)
    spans: dict[str, Span] = field(default_factory=dict)
    _begun: dict[str, Word] = field(default_factory=dict)

    def begin(self, keyword: Word, statement: str) -> bool:
        """Note that a statement is there. Where the block had it before, report that and return False."""
        first = self._begun.setdefault(statement, keyword)
        if first is keyword:
            return True
        related = (Related("first here", self.values.span(first)),)
        self.values.error(Code.REPEATED, f"a second `{statement}` in one block", keyword, related=related)
        return False

    def put(self, name: str, value: object, statement: str, word: Word) -> None:
        """Set a field of the IR, unless its value is None (then an error was reported)."""
        if value is not None:
            self.fields[name] = value
            self.spans[statement] = self.values.span(word)
