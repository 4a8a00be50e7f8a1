"""The project speaks of itself: no file names the place where it was written, or a host that packages come from."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from tools.project import ROOT

# Put together here, so that this file does not hold what it looks for.
_HOSTS = [
    r"\.".join(words)
    for words in (
        ("pypi", "org"),
        ("files", "pythonhosted", "org"),
        ("deb", "debian", "org"),
        ("security", "debian", "org"),
        ("snapshot", "debian", "org"),
        ("registry", "npmjs", "org"),
    )
]
_PLACES = [r"\.\./" + "shared", r"(?<![\w.])/" + "work/", r"\." + r"library\b", "/root/" + r"(?!\.)\w"]
_PAPERS = [r"\b" + name + r"\.md\b" for name in ("des" + "ign", "tra" + "ps", "sty" + "le", "bri" + "ef")]
_TALK = [r"\b(this|another|previous|earlier|last|next) " + "session" + r"\b", r"\bthe " + "founder" + r"\b"]
_FORBIDDEN = re.compile("|".join([*_HOSTS, *_PLACES, *_PAPERS, *_TALK]), re.IGNORECASE)

_HERE = Path(__file__).name


def _files() -> list[Path]:
    """The project's files, committed or about to be."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
        names = done.stdout.split("\0")
    except (OSError, subprocess.CalledProcessError):  # not a git checkout: whatever is there
        names = [str(path.relative_to(ROOT)) for path in ROOT.rglob("*") if not _hidden(path.relative_to(ROOT))]
    return sorted(ROOT / name for name in names if name and (ROOT / name).is_file())


def _hidden(path: Path) -> bool:
    return any(part.startswith(".") or part == "__pycache__" or part.endswith(".egg-info") for part in path.parts)


def test_no_file_names_the_place_where_it_was_written() -> None:
    files = _files()
    assert ROOT / "pyproject.toml" in files
    found = []
    for path in files:
        lines = path.read_bytes().decode(errors="replace").splitlines()
        found += [
            f"{path.relative_to(ROOT)}:{number}: {line.strip()[:120]}"
            for number, line in enumerate(lines, 1)
            if _FORBIDDEN.search(line)
        ]
    assert found == []


def test_it_would_be_found() -> None:
    for words in (
        "see ../" + "shared/x",
        "cd /" + "work/main",
        "from deb." + "debian.org",
        "read des" + "ign.md first",
    ):
        assert _FORBIDDEN.search(words)
    for words in ("session affinity", "a network/" + "work", "https://www.debian.org/", "docs/language.md"):
        assert not _FORBIDDEN.search(words)
