"""Importers: what other programs are configured with, to programs of svcc.

Every module here with an ``IMPORTER`` is one; discovery is by looking.
"""

from __future__ import annotations

import pkgutil
from functools import cache
from importlib import import_module

from svcc.compiler.importers.interface import Importer

__all__ = ["Importer", "find", "importers"]


@cache
def importers() -> dict[str, Importer]:
    """Every importer by the name of its kind, sorted."""
    found = {}
    for module in pkgutil.iter_modules(__path__):
        importer = getattr(import_module(f"{__name__}.{module.name}"), "IMPORTER", None)
        if importer is not None:
            found[importer.name] = importer
    return dict(sorted(found.items()))


def find(kind: str) -> Importer | None:
    """The importer of a kind of files; None: there is none."""
    return importers().get(kind)
