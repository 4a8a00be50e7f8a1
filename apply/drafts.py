"""Make the draft of a generation from what a machine is to hold."""

from __future__ import annotations

from dataclasses import replace

from svcc.apply.generation import Draft, Generation
from svcc.apply.installation import Installation
from svcc.apply.origin import Origin
from svcc.apply.program_text import KeptProgram
from svcc.apply.scope import Scope, scope_of_program
from svcc.apply.served import is_recorded
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


def draft_as_served(
    installation: Installation, wanted: Wanted, draft: Draft, served: Wanted, *, same_services: bool
) -> Draft:
    """Return the draft by which a program is put into the kernel that is to be served in another way than it says, with
    failed endpoints draining for example. That way is a note to the generation of the program, which is recorded here
    where it is not in place yet. The store's lock is held.

    ``wanted``: the program as it was given, with its ``draft``. ``served``: the program as it is to be served.
    ``same_services``: whether the program is known to be that of the generation in place. Errors: StoreError, OSError.
    """
    current = installation.current
    reviewed = None if current is None else installation.generation(current.reviewed)
    if reviewed is not None and is_recorded(installation, reviewed, draft, known=same_services):
        return _note(served, draft.scope, reviewed)
    if served.bundle == wanted.bundle:
        return draft
    return _note(served, draft.scope, installation.record(draft))


def _note(served: Wanted, scope: Scope, to: Generation) -> Draft:
    """Return the draft of a note to a generation: of how its program is served."""
    return replace(make_draft(served, scope_of(served) or scope), of=to.number, source=to.source)
