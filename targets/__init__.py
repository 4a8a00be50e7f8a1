"""Targets: they turn the IR into artifacts.

Every module here with a ``TARGET`` is one; they are found by looking through this folder.
"""

from __future__ import annotations

import pkgutil
from functools import cache
from importlib import import_module

from svcc.targets.interface import Artifact, Bundle, Part, Target

__all__ = ["Artifact", "Bundle", "Part", "Target", "find", "targets"]


@cache
def targets() -> dict[str, Target]:
    """Return every target by name, sorted."""
    found = {}
    for module in pkgutil.iter_modules(__path__):
        target = getattr(import_module(f"{__name__}.{module.name}"), "TARGET", None)
        if target is not None:
            found[target.name] = target
    return dict(sorted(found.items()))


@cache
def find(name: str) -> Target | None:
    """Return the target of a name.

    Where a module has the same name, only that one is imported. Return None where there is none.
    """
    if any(module.name == name for module in pkgutil.iter_modules(__path__)):
        target = getattr(import_module(f"{__name__}.{name}"), "TARGET", None)
        if isinstance(target, Target) and target.name == name:
            return target
    return targets().get(name)
