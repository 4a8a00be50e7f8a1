"""The project's settings in pyproject.toml, as data."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[3]


def settings() -> dict[str, Any]:
    """Return the contents of pyproject.toml."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text())


def packages() -> list[str]:
    """Return the packages that are installed, in the order of pyproject.toml."""
    return list(settings()["tool"]["setuptools"]["packages"])


def package_directories() -> dict[str, Path]:
    """Return the directory of each package that has an entry of its own; the others are directories of these."""
    mapping: dict[str, str] = settings()["tool"]["setuptools"]["package-dir"]
    return {package: ROOT / directory for package, directory in mapping.items()}


def floors(python: str | None = None) -> dict[str, str]:
    """Return the lowest version of each dependency that pyproject.toml allows, with those of the extras for users.

    Args:
        python: for which Python, such as 3.13; by default the oldest that svcc supports. Releases that are older
            than a Python can often not be installed there.
    """
    project = settings()["project"]
    extras = project["optional-dependencies"]
    where = {"python_version": python or project["requires-python"].removeprefix(">=")}
    found = {}
    for line in (*project["dependencies"], *extras["agent"], *extras["lsp"]):
        requirement = Requirement(line)
        lowest = [each.version for each in requirement.specifier if each.operator == ">="]
        if len(lowest) != 1:
            raise ValueError(f"pyproject.toml: {line} does not say NAME>=VERSION")
        if requirement.marker is None or requirement.marker.evaluate(where):
            found[requirement.name] = lowest[0]
    return found
