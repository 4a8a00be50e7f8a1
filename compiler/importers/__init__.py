"""Importers: they make svcc programs from the configuration of other programs.

Every module here with an ``IMPORTER`` is one; they are found by looking through this folder.
"""

from __future__ import annotations

import pkgutil
from functools import cache
from importlib import import_module

from svcc.compiler.importers.interface import Importer

__all__ = ["Importer", "find", "importers"]


@cache
def importers() -> dict[str, Importer]:
    """Return every importer by the name of its kind, sorted."""
    found = {}
    for module in pkgutil.iter_modules(__path__):
        importer = getattr(import_module(f"{__name__}.{module.name}"), "IMPORTER", None)
        if importer is not None:
            found[importer.name] = importer
    return dict(sorted(found.items()))


def find(kind: str) -> Importer | None:
    """Return the importer for a kind of files. Return None where there is none."""
    return importers().get(kind)
