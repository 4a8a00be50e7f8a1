"""Find installations on one machine that would take each other's objects, or connections, for their own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress

from svcc.apply.driver import balances
from svcc.apply.errors import Refused
from svcc.apply.generation import Draft
from svcc.apply.installation import Installation
from svcc.apply.other_prefixes import installations_beside
from svcc.apply.program_text import KeptProgram
from svcc.apply.scope import Scope
from svcc.apply.state_files import StoreError


def clashes(
    installation: Installation, scope: Scope, target: str, program: Callable[[], KeptProgram | None]
) -> Iterator[str]:
    """Yield the reasons why rules cannot be applied beside the other installations of a state directory, each as a
    sentence. ``program``: returns the program that the rules were compiled from; None: it is not known."""
    for other in installations_beside(installation):
        try:
            current = other.current
        except StoreError:  # commands for that prefix report the damage
            continue
        if current is None or current.target is None:
            continue
        if _nested(other.name, installation.name):
            yield (
                f"the prefixes {scope.prefix} and {current.prefix}, which is applied here, cannot be told apart: "
                "every name that begins with one of them and `-` belongs to it"
            )
        if scope.device is not None and scope.device == current.device and balances(current.target):
            yield f"vip-device {scope.device} belongs to prefix {current.prefix}, which is applied here"
        if balances(target) == balances(current.target):  # what IPVS sends, its own rules alone masquerade
            yield from _marked_alike(current.prefix, program(), other.program(current))


def _marked_alike(prefix: str, ours: KeptProgram | None, theirs: KeptProgram | None) -> Iterator[str]:
    """Yield the reason why two programs cannot mark with one bit: whichever rules come first rewrite the sources of
    both. That makes no difference where both masquerade to the machine's own address, but for services that both have,
    as while a prefix is renamed."""
    if ours is None or theirs is None:
        return
    with suppress(ValueError):  # the record is damaged
        if ours.mark == theirs.mark and ours.rewriting != theirs.rewriting:
            other = ours.mark << 1 if ours.mark < 1 << 31 else 1
            yield (
                f"mark {ours.mark:#x} is that of prefix {prefix}, which is applied here, as well: where services have "
                f"`snat`, each prefix needs a bit of its own; write `cluster {{ mark {other:#x} }}` for one of them"
            )


def check_clashes(installation: Installation, draft: Draft) -> None:
    """Check that a draft, if it puts anything into the kernel, clashes with no other installation.

    Errors: Refused, with the reasons.
    """
    bundle = draft.bundle
    if bundle and (against := [*clashes(installation, draft.scope, bundle.target, lambda: draft.program)]):
        raise Refused(against)


def _nested(one: str, other: str) -> bool:
    """Whether every name under one of two prefixes also belongs to the other prefix."""
    return one.startswith(f"{other}-") or other.startswith(f"{one}-")
