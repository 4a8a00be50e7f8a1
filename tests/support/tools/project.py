"""What pyproject.toml says of the project, as data."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[3]


def settings() -> dict[str, Any]:
    """The content of pyproject.toml."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text())


def packages() -> list[str]:
    """The packages that are installed, in the order of pyproject.toml."""
    return list(settings()["tool"]["setuptools"]["packages"])


def package_directories() -> dict[str, Path]:
    """The directory of each package that has an entry of its own; the others are directories of these."""
    mapping: dict[str, str] = settings()["tool"]["setuptools"]["package-dir"]
    return {package: ROOT / directory for package, directory in mapping.items()}


def floors() -> dict[str, str]:
    """The lowest version of each dependency that pyproject.toml allows, those of the extras for users among them."""
    found = {}
    project = settings()["project"]
    extras = project["optional-dependencies"]
    for requirement in (*project["dependencies"], *extras["agent"], *extras["lsp"]):
        match = re.fullmatch(r"([\w-]+)>=([\w.]+)(,<[\w.]+)?", requirement)
        if match is None:
            raise ValueError(f"pyproject.toml: {requirement} is not NAME>=VERSION or NAME>=VERSION,<VERSION")
        found[match[1]] = match[2]
    return found
