"""Which svcc this is, to the last edit of its modules: what one svcc noted, another does not rely on."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from functools import cache
from hashlib import sha256
from importlib.util import find_spec

#: What decides about programs, rules and listings. The parser generator's tables are its own.
_PACKAGES = ("svcc", "svcc.grammar", "svcc.compiler", "svcc.targets", "svcc.apply", "lark")


@cache
def stamp() -> str:
    """A digest of the names, sizes and times of all modules, and of Python's version. Reads none of them."""
    files = sorted({line for package in _PACKAGES for folder in _folders(package) for line in _files(folder)})
    return sha256("\n".join([sys.version, *files]).encode("utf-8", "surrogateescape")).hexdigest()


def _folders(package: str) -> list[str]:
    """Where a package is; it need not be imported for that."""
    spec = find_spec(package)
    return list(spec.submodule_search_locations or ()) if spec else []


def _files(folder: str) -> Iterator[str]:
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir() and entry.name != "__pycache__":
                yield from _files(entry.path)
            elif entry.is_file():
                found = entry.stat()
                yield f"{entry.path} {found.st_size} {found.st_mtime_ns}"
