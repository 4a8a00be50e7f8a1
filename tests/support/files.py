"""The paths of the files that tests read."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path

from support.tools.project import ROOT

EXAMPLES = sorted((ROOT / "examples").glob("*.dsl"))
#: Programs that show what no example shows.
PROGRAMS = ROOT / "tests" / "support" / "programs"
#: A program for the targets that can remember clients by service.
WHOLE_SERVICE = ROOT / "tests" / "support" / "whole_service.dsl"
#: A program for the targets that serve large ranges by a mark.
LARGE_RANGES = ROOT / "tests" / "support" / "large_ranges.dsl"
#: A program for the targets that remember clients by service where no port is changed.
KEPT_PORTS = ROOT / "tests" / "support" / "kept_ports.dsl"
#: A folder for each target, in which each example has a folder with its compiled files.
GOLDEN = ROOT / "tests" / "golden" / "targets"
#: Programs with errors, and the diagnostics of each.
ERRORS = ROOT / "tests" / "golden" / "errors"
#: Edits of programs: each before and after, and the text for reviewers.
REVIEWS = ROOT / "tests" / "golden" / "reviews"
#: Answers of servers of a Kubernetes API, and the news that a client has of them.
RECORDINGS = sorted((ROOT / "tests" / "kubernetes" / "recordings").glob("*.json"))


@cache
def texts_of_the_language() -> tuple[Path, ...]:
    """Every file of the language's that the repository has; not those of the caches and environments in it."""
    return tuple(sorted(_texts()))


def _texts() -> Iterator[Path]:
    for path in ROOT.iterdir():
        if path.is_dir() and not path.name.startswith(".") and path.name not in ("build", "dist"):
            yield from path.glob("**/*.dsl")
