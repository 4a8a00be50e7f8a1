"""The names of wanted modules, printed and parsed in the form of modules-load.d(5)."""

from __future__ import annotations

from collections.abc import Collection
from typing import TypeAlias

PART = "modules"

Modules: TypeAlias = frozenset[str]


def modules_text(names: Collection[str]) -> str:
    """Return the text of modules: one on each line, sorted (modules-load.d(5))."""
    return "".join(f"{name}\n" for name in sorted(names))


def parse_modules(text: str) -> Modules:
    """Return the modules in a text that :func:`modules_text` printed, or in a file of modules-load.d(5)."""
    lines = (line.strip() for line in text.splitlines())
    return frozenset(line for line in lines if line and line[0] not in "#;")
