"""The modules that are wanted, printed and parsed as modules-load.d(5) has them."""

from __future__ import annotations

from collections.abc import Collection
from typing import TypeAlias

PART = "modules"

Modules: TypeAlias = frozenset[str]


def modules_text(names: Collection[str]) -> str:
    """modules-load.d(5): one module a line, by name."""
    return "".join(f"{name}\n" for name in sorted(names))


def parse_modules(text: str) -> Modules:
    """What :func:`modules_text` printed, or a file of modules-load.d(5)."""
    lines = (line.strip() for line in text.splitlines())
    return frozenset(line for line in lines if line and line[0] not in "#;")
