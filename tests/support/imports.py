"""Files of other programs, and the results of importing them: a folder for each kind, with a folder for each case.

The files of a case are imported together; its own folders hold what they include. ``program.dsl`` and ``report.txt``
are the results. Each file in ``broken`` cannot be imported; ``broken.txt`` has the messages about them.
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
