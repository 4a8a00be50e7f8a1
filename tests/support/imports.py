"""Files of other programs, and what they become: a folder of each kind, in it one for each case.

The files of a case are imported together, those in its own folders are what they include. ``program.dsl`` and
``report.txt`` are what they become. Each file in ``broken`` is one that cannot be imported; ``broken.txt`` is what is
said of them.
"""

from __future__ import annotations

from pathlib import Path

from support.tools.project import ROOT
from svcc.compiler.source import Source

IMPORTS = ROOT / "tests" / "golden" / "imports"
PROGRAM, REPORT = "program.dsl", "report.txt"

CASES = sorted(path for path in IMPORTS.glob("*/*") if path.is_dir() and path.name != "broken")
KINDS = sorted(path.name for path in IMPORTS.iterdir() if path.is_dir())


def inputs(case: Path) -> list[Path]:
    return sorted(path for path in case.iterdir() if path.is_file() and path.name not in (PROGRAM, REPORT))


def sources(paths: list[Path]) -> list[Source]:
    return [Source(str(path), path.read_text(encoding="utf-8")) for path in paths]
