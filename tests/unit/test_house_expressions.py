"""Regular expressions find the same on each Python that svcc allows."""

from __future__ import annotations

import re

from support.tools.code import modules
from svcc.grammar import grammar_text

_POSSESSIVE_GROUP = re.compile(r"(?<!\\)\)(?:[*+?]|\{[\d,]+\})\+")


def test_no_group_is_possessive() -> None:
    """Before 3.11.5, as in Debian 12, such a group keeps what it took of a repetition that failed: ``(?:ab?c)++``
    matches all of ``aca`` (gh-106052 of CPython). ``(?>(?:ab?c)+)`` does what was meant.
    """
    texts = {one.name: one.path.read_text(encoding="utf-8") for one in modules()} | {"svcc.lark": grammar_text()}
    assert [name for name, text in texts.items() if _POSSESSIVE_GROUP.search(text)] == []
    assert _POSSESSIVE_GROUP.search("(a|b)*+")
