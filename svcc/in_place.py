"""See without compiling that nothing is to be done: the current generation was compiled from FILE as it is.

In any doubt the answer is None. The caller then compiles the program, and reports what is wrong.
"""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass

from svcc.apply.clashes import clashes
from svcc.apply.execution_plan import ExecutionPlan
from svcc.apply.generation import Draft, Generation
from svcc.apply.installation import Installation
from svcc.apply.planning import EarlyReadings, make_plan, nothing_to_do
from svcc.apply.scope import Scope
from svcc.apply.state_files import StoreError
from svcc.apply.store import Store
from svcc.apply.summary import Summary
from svcc.kernel.steps import StepError


@dataclass(frozen=True, slots=True)
class InPlace:
    """A generation that FILE compiles to, and a plan that finds nothing to do."""

    installation: Installation
    generation: Generation
    plan: ExecutionPlan
    draft: Draft | None  # of ``plan``, without services; None where the kernel was known to be unchanged


def in_place(store: Store, file: str, target: str, node: str | None, early: EarlyReadings | None) -> InPlace | None:
    """Return the generation that FILE compiles to, if it is in the kernel; None where the caller has to compile and
    plan.

    ``node``: the node that the command line names. ``early``: what was read ahead, if it still holds. The store's lock
    is held.
    """
    if file == "-" or os.geteuid() != 0:
        return None
    with suppress(StepError, StoreError, OSError, ValueError):
        for installation in store.installations():
            generation = installation.current
            origin = generation and installation.origin(generation)
            if generation and origin and origin.is_unchanged(file, target, node):
                return _planned(installation, generation, early)
    return None


def _planned(installation: Installation, generation: Generation, early: EarlyReadings | None) -> InPlace | None:
    installation.check(generation.number)  # an apply is what mends a record
    scope = Scope(generation.prefix, generation.device)
    plan = nothing_to_do(installation, generation, early)
    draft = None
    if plan is None:  # something differs, or nobody has compared yet
        draft = Draft(installation.bundle(generation), scope, Summary(), generation.source)
        plan = make_plan(installation, draft, early=early)
    against = clashes(installation, scope, generation.target or "", lambda: installation.program(generation))
    if not plan.empty or plan.foreign or any(against) or installation.number != generation.number:
        return None
    return InPlace(installation, generation, plan, draft)
