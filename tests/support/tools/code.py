"""svcc's own source, parsed: its modules, and what they import."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from support.tools.project import ROOT, package_directories


@dataclass(frozen=True, slots=True)
class Module:
    """A module by its installed name."""

    name: str  # svcc.targets.nft
    path: Path

    @property
    def tree(self) -> ast.Module:
        return _parsed(self.path)

    def imports(self) -> Iterator[tuple[str, int]]:
        """Yield every module that is imported, anywhere in the file, and the line.

        ``from a import b`` counts as ``a.b`` where that is a module of svcc, else as ``a``.
        """
        yield from _imports(self.path)


@cache
def _imports(path: Path) -> tuple[tuple[str, int], ...]:
    known = {module.name for module in modules()}
    found = []
    for node in ast.walk(_parsed(path)):
        if isinstance(node, ast.Import):
            found += [(alias.name, node.lineno) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: imports are absolute"
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                found.append((full if full in known else str(node.module), node.lineno))
    return tuple(found)


@cache
def _parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


@cache
def modules() -> tuple[Module, ...]:
    """Return all modules of svcc, sorted by name."""
    found = []
    for package, directory in package_directories().items():
        for path in directory.rglob("*.py"):
            words = path.relative_to(directory).with_suffix("").parts
            if words[-1] == "__init__":
                words = words[:-1]
            found.append(Module(".".join([package, *words]), path))
    return tuple(sorted(found, key=lambda module: module.name))


def place(module: Module, line: int) -> str:
    return f"{module.path.relative_to(ROOT)}:{line}"
