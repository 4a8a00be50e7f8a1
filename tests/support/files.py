"""Where the files are that tests read."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path

from support.tools.project import ROOT

EXAMPLES = sorted((ROOT / "examples").glob("*.dsl"))
#: Programs that show something that no example does.
PROGRAMS = ROOT / "tests" / "support" / "programs"
#: One for the targets that remember clients by service.
WHOLE_SERVICE = ROOT / "tests" / "support" / "whole_service.dsl"
LARGE_RANGES = ROOT / "tests" / "support" / "large_ranges.dsl"  # likewise, for the targets that know them by a mark
KEPT_PORTS = ROOT / "tests" / "support" / "kept_ports.dsl"  # likewise, for the targets that change no port for it
#: A folder for each target, in it one for each example, in it what the target makes of the example.
GOLDEN = ROOT / "tests" / "golden" / "targets"
#: Programs with errors, and what is said of each.
ERRORS = ROOT / "tests" / "golden" / "errors"
#: Edits of programs, each as it was before and after, and what is said of it to reviewers.
REVIEWS = ROOT / "tests" / "golden" / "reviews"
#: What servers of a Kubernetes API answered, and what is heard of it.
RECORDINGS = sorted((ROOT / "tests" / "kubernetes" / "recordings").glob("*.json"))


@cache
def texts_of_the_language() -> tuple[Path, ...]:
    """Every file of the language's that the repository has; not those of the caches and environments in it."""
    return tuple(sorted(_texts()))


def _texts() -> Iterator[Path]:
    for path in ROOT.iterdir():
        if path.is_dir() and not path.name.startswith(".") and path.name not in ("build", "dist"):
            yield from path.glob("**/*.dsl")
