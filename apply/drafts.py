"""Make the draft of a generation from what a machine is to hold."""

from __future__ import annotations

from svcc.apply.generation import Draft
from svcc.apply.origin import Origin
from svcc.apply.program_text import KeptProgram
from svcc.apply.scope import Scope, scope_of_program
from svcc.apply.summary import Summary, summary
from svcc.apply.wanted import Wanted
from svcc.targets import find


def scope_of(wanted: Wanted) -> Scope | None:
    """Return the scope of what is wanted. None for an empty bundle, which does not say under which prefix it goes."""
    if wanted.program is not None:
        return scope_of_program(wanted.program)
    accepted = wanted.accepted
    return Scope(accepted.prefix, accepted.device) if accepted and accepted.prefix else None


def make_draft(wanted: Wanted, scope: Scope, origin: Origin | None = None) -> Draft:
    """Return the draft of a generation that holds what is wanted; without a bundle where the program has no services.

    ``origin``: what the bundle was compiled from, where that is known.
    """
    target = find(wanted.bundle.target)
    empty = target is not None and target.asks_nothing(wanted.bundle, scope.prefix)
    return Draft(
        None if empty else wanted.bundle,
        scope,
        summary(wanted.program, wanted.node) if wanted.program is not None else Summary(),
        wanted.name,
        origin=origin,
        program=KeptProgram(wanted.program) if wanted.program is not None else None,
        assembly=wanted.assembly,
    )
