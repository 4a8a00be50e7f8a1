"""A task: what a run of the benchmarks measures."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from measure import SVCC, run
from programs import Size, program

from svcc.targets.interface import Target


@dataclass(frozen=True, slots=True)
class Task:
    """The size of the program, how often it is measured, and other settings of a run, for every part."""

    size: Size
    rounds: int
    targets: tuple[Target, ...]
    folder: Path  # an empty folder for files
    peers: tuple[str, ...] = ()  # NAME=FILE:TOOL, where FILE is of a program of this size
    turns: int = 100  # turns of connections
    nodes: int = 100  # nodes of a fleet

    def written(self, size: Size, *, changed: bool = False) -> Path:
        """Return the file of a program. ``changed``: see :func:`programs.program`."""
        file = self.folder / f"{size}{'-changed' if changed else ''}.dsl"
        if not file.exists():
            file.write_text(program(size, changed), encoding="utf-8")
        return file

    def compiled(self, size: Size, target: Target) -> Path:
        """Return the folder with the compiled parts of a program."""
        parts = self.folder / f"{size}-{target.name}"
        if not parts.exists():
            run([*SVCC, "compile", str(self.written(size)), "-t", target.name, "-o", str(parts)])
        return parts
