"""Regular expressions find the same on each Python that svcc allows."""

from __future__ import annotations

import re

from support.tools.code import modules
from svcc.grammar import grammar_text

#: A possessive group that has no ``|(?!).`` at its end.
_POSSESSIVE = re.compile(r"(?<!\\)(?<!\|\(\?!\)\.)\)(?:[*+?]|\{[\d,]+\})\+")


def test_possessive_groups_end_in_an_alternative_that_fails_at_once() -> None:
    """Before 3.11.5, as in Debian 12, such a group keeps what a repetition took before it failed: ``(?:ab?c)++``
    matches all of ``aca`` (gh-106052 of CPython). With ``(?:ab?c|(?!).)++``, the last that fails has taken nothing.
    (``(?>(?:ab?c)+)`` finds the same, but takes memory for each repetition.)
    """
    texts = {one.name: one.path.read_text(encoding="utf-8") for one in modules()} | {"svcc.lark": grammar_text()}
    assert [name for name, text in texts.items() if _POSSESSIVE.search(text)] == []
    assert _POSSESSIVE.search("(ab|c)*+")
