"""Tell this svcc from every other one, to the last edit of its modules: no svcc relies on a note that another wrote."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from functools import cache
from hashlib import sha256
from importlib.util import find_spec

#: The packages that decide what becomes of programs, rules and listings; lark, which makes the parser, among them.
_PACKAGES = ("svcc", "svcc.grammar", "svcc.compiler", "svcc.targets", "svcc.apply", "lark")


@cache
def stamp() -> str:
    """Return a digest of the names, sizes and times of all modules, and of Python's version. No module is read."""
    files = sorted({line for package in _PACKAGES for folder in _folders(package) for line in _files(folder)})
    return sha256("\n".join([sys.version, *files]).encode("utf-8", "surrogateescape")).hexdigest()


def _folders(package: str) -> list[str]:
    """Return the folders of a package, without importing it."""
    spec = find_spec(package)
    return list(spec.submodule_search_locations or ()) if spec else []


def _files(folder: str) -> Iterator[str]:
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir() and entry.name != "__pycache__":
                yield from _files(entry.path)
            elif entry.is_file():
                status = entry.stat()
                yield f"{entry.path} {status.st_size} {status.st_mtime_ns}"
