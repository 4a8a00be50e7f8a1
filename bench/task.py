"""What is to be measured."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from measure import SVCC, run
from programs import Size, program

from svcc.targets.interface import Target


@dataclass(frozen=True, slots=True)
class Task:
    """For every part: the size of the program, and how often it is measured."""

    size: Size
    rounds: int
    targets: tuple[Target, ...]
    folder: Path  # for files, and empty
    peers: tuple[str, ...] = ()  # NAME=FILE:TOOL, with FILE for a program of this size
    turns: int = 100  # of connections
    nodes: int = 100  # of a fleet

    def written(self, size: Size, *, changed: bool = False) -> Path:
        """A program's file; ``changed``: see :func:`programs.program`."""
        file = self.folder / f"{size}{'-changed' if changed else ''}.dsl"
        if not file.exists():
            file.write_text(program(size, changed), encoding="utf-8")
        return file

    def compiled(self, size: Size, target: Target) -> Path:
        """The folder with the parts of a program."""
        parts = self.folder / f"{size}-{target.name}"
        if not parts.exists():
            run([*SVCC, "compile", str(self.written(size)), "-t", target.name, "-o", str(parts)])
        return parts
