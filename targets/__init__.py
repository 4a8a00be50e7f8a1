"""Targets: IR to artifacts. Every module here with a ``TARGET`` is one; discovery is by looking."""

from __future__ import annotations

import pkgutil
from functools import cache
from importlib import import_module

from svcc.targets.interface import Artifact, Bundle, Part, Target

__all__ = ["Artifact", "Bundle", "Part", "Target", "find", "targets"]


@cache
def targets() -> dict[str, Target]:
    """Every target by name, sorted."""
    found = {}
    for module in pkgutil.iter_modules(__path__):
        target = getattr(import_module(f"{__name__}.{module.name}"), "TARGET", None)
        if target is not None:
            found[target.name] = target
    return dict(sorted(found.items()))


@cache
def find(name: str) -> Target | None:
    """A target, without importing the others where its module is called as it is."""
    if any(module.name == name for module in pkgutil.iter_modules(__path__)):
        target = getattr(import_module(f"{__name__}.{name}"), "TARGET", None)
        if isinstance(target, Target) and target.name == name:
            return target
    return targets().get(name)
