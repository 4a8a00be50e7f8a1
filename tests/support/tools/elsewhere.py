"""Run the tests that need no kernel against the built wheel, in environments other than the developer's.

``python -m support.tools.elsewhere floors``: with the oldest release of each dependency that pyproject.toml allows.
``python -m support.tools.elsewhere pythons``: on the newest Python of this machine; on those between the lowest and the
newest the units and the golden files alone. Says which Pythons were not found.
With both words all of these run side by side, and each prints its output when it is done.
By the golden files, a difference in a single byte of output is a failure there.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from support.tools import wheel
from support.tools.project import ROOT, floors, settings

_CACHE = ROOT / ".cache" / "elsewhere"
#: Minor versions of Python 3 beyond the lowest that svcc supports.
PYTHONS = (12, 13, 14)
#: What a Python between two others has to pass: what breaks there alone shows in these, and all of it is a minute more.
_BETWEEN = ("tests/unit", "tests/golden")


@dataclass(frozen=True, slots=True)
class Place:
    """An environment of its own below the cache."""

    name: str
    python: str
    constraints: tuple[str, ...] = ()
    tests: tuple[str, ...] = ()  # files and folders; none: all

    @property
    def directory(self) -> Path:
        return _CACHE / self.name

    def prepare(self, built: Path) -> None:
        """Make the environment, unless it exists for the same requirements, and install the wheel."""
        wanted = "\n".join([self.python, *self.constraints, str(settings()["project"])])
        made = self.directory / "made-of"
        if not made.exists() or made.read_text() != wanted:
            _run(self.python, "-m", "venv", "--clear", str(self.directory))
            constraints = self.directory / "constraints.txt"
            constraints.write_text("".join(f"{line}\n" for line in self.constraints))
            self._install("--constraint", str(constraints), f"{built}[pure]")
            made.write_text(wanted)
        self._install("--force-reinstall", "--no-deps", str(built))

    def _install(self, *arguments: str) -> None:
        _run(str(self.directory / "bin/pip"), "install", "-qq", *arguments)

    def test(self) -> str:
        """Run the tests; return what pytest printed."""
        # safe path: this directory's bare svcc/ must not come before the installed one
        command = [
            str(self.directory / "bin/pytest"),
            "--quiet",
            "--no-kernel",
            "-m",
            "not slow",
            "-p",
            "no:cacheprovider",
            *self.tests,
        ]
        return _run(*command, HYPOTHESIS_PROFILE="quick", PYTHONSAFEPATH="1")


def _run(*command: str, **environment: str) -> str:
    """Run a command; return what it printed. The error of a command that fails has that as its ``stdout``."""
    return subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=True,
    ).stdout


def _passes(place: Place, built: Path) -> bool:
    """Whether all tests pass in an environment. Print their output in one piece, as others print meanwhile."""
    try:
        place.prepare(built)
        said, passed = place.test(), True
    except subprocess.CalledProcessError as error:
        said, passed = f"{error.stdout}{error}\n", False
    print(f"{place.name}:\n{said}", end="")
    return passed


def _oldest() -> Iterator[Place]:
    own = floors("{}.{}".format(*sys.version_info))
    pins = tuple(f"{name}=={version}" for name, version in own.items())
    print("oldest releases:", *pins)
    yield Place("floors", sys.executable, pins)


def _further() -> Iterator[Place]:
    found = []
    for minor in PYTHONS:
        name = f"python3.{minor}"
        if sys.version_info[:2] == (3, minor):
            continue
        python = _find(name)
        if python is None:
            print(f"{name}: not found on this machine, nothing tried with it")
        else:
            print(f"{name}: {python}")
            found.append((name, python))
    for name, python in found:
        yield Place(name, python, tests=() if name == found[-1][0] else _BETWEEN)


def _find(name: str) -> str | None:
    """Return a Python that runs, on PATH or among pyenv's (whose own command of that name may be a stub that fails)."""
    kept = sorted(Path.home().glob(f".pyenv/versions/{name.removeprefix('python')}.*/bin/{name}"))
    for candidate in (name, *map(str, kept)):
        try:
            script = "import sys, venv, ensurepip; print(sys.executable)"
            done = subprocess.run([candidate, "-c", script], capture_output=True, text=True, check=False)
        except FileNotFoundError:
            continue
        if done.returncode == 0:
            return done.stdout.strip()
    return None


def main() -> int:
    what = sys.argv[1:]
    built = wheel.build(_CACHE / "dist" / "-".join(what))
    places = [place for word in what for place in {"floors": _oldest, "pythons": _further}[word]()]
    if not places:
        return 0
    with ThreadPoolExecutor(max_workers=len(places)) as side_by_side:
        passed = list(side_by_side.map(lambda place: _passes(place, built), places))
    return 0 if all(passed) else 1


if __name__ == "__main__":
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    sys.exit(main())
