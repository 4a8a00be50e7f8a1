"""Seeing that nothing is to do without compiling: FILE is what the current generation was compiled from.

Whatever is in doubt is no error here. The program is compiled then, and what is wrong is met again, and told.
"""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass

from svcc.apply.clashes import clashes
from svcc.apply.engine import Ahead, Plan, nothing_to_do
from svcc.apply.scope import Scope
from svcc.apply.steps import StepError
from svcc.apply.store import Generation, Installation, Store, StoreError


@dataclass(frozen=True, slots=True)
class InPlace:
    """A generation that is what FILE compiles to, and a plan that finds nothing to do."""

    installation: Installation
    generation: Generation
    plan: Plan


def in_place(store: Store, file: str, target: str, node: str | None, ahead: Ahead | None) -> InPlace | None:
    """None: compile and plan. ``node``: the one that is asked for, if any."""
    if file == "-" or os.geteuid() != 0:
        return None
    with suppress(StepError, StoreError, OSError, ValueError):
        for installation in store.installations():
            generation = installation.current
            origin = generation and installation.origin(generation)
            if generation and origin and origin.gives(file, target, node):
                return _planned(store, installation, generation, ahead)
    return None


def _planned(store: Store, installation: Installation, generation: Generation, ahead: Ahead | None) -> InPlace | None:
    scope = Scope(generation.prefix, generation.device)
    plan = None if any(clashes(store, installation, scope)) else nothing_to_do(installation, generation, ahead)
    if plan is None or installation.number != generation.number:  # another svcc was quicker
        return None
    return InPlace(installation, generation, plan)
