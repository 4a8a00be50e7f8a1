"""Find installations on one machine that would take each other's objects for their own."""

from __future__ import annotations

from collections.abc import Iterator

from svcc.apply.driver import balances
from svcc.apply.errors import Refused
from svcc.apply.generation import Draft
from svcc.apply.installation import Installation
from svcc.apply.scope import Scope
from svcc.apply.state_files import StoreError
from svcc.apply.store import Store


def clashes(store: Store, installation: Installation, scope: Scope) -> Iterator[str]:
    """Yield the reasons why a scope cannot be applied beside the other installations of a state directory, each as a
    sentence."""
    for other in store.installations():
        try:
            current = other.current
        except StoreError:  # commands for that prefix report the damage
            continue
        if other.name == installation.name or current is None or current.target is None:
            continue
        if _nested(other.name, installation.name):
            yield (
                f"the prefixes {scope.prefix} and {current.prefix}, which is applied here, cannot be told apart: "
                "every name that begins with one of them and `-` belongs to it"
            )
        if scope.device is not None and scope.device == current.device and balances(current.target):
            yield f"vip-device {scope.device} belongs to prefix {current.prefix}, which is applied here"


def check_clashes(store: Store, installation: Installation, draft: Draft) -> None:
    """Check that a draft, if it puts anything into the kernel, clashes with no other installation.

    Errors: Refused, with the reasons.
    """
    if draft.bundle is not None and (against := [*clashes(store, installation, draft.scope)]):
        raise Refused(against)


def _nested(one: str, other: str) -> bool:
    """Whether every name under one of two prefixes also belongs to the other prefix."""
    return one.startswith(f"{other}-") or other.startswith(f"{one}-")
