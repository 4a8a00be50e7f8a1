"""svcc: a compiler for Linux service load balancing.

The public names below are imported when they are first used: a command needs few of them.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from svcc.api import compile, load  # noqa: A004
    from svcc.apply.errors import Broken, InvalidPlan, Outdated, Refused, Restored, ToolFailed, Unconfirmed
    from svcc.apply.generation import Generation
    from svcc.apply.keeper import Kept
    from svcc.apply.plan import Plan
    from svcc.apply.session import Session
    from svcc.apply.state_files import Locked, StoreError
    from svcc.compiler.errors import InputError, SvccError
    from svcc.compiler.ir import Endpoint, Program, Service
    from svcc.targets.interface import Bundle

#: The build reads the version from here. Asking the installed package for it would take a fifth of ``svcc --version``.
__version__ = "0.1.0"

_HOMES = {
    "svcc.api": ("compile", "load"),
    "svcc.apply.errors": ("Broken", "InvalidPlan", "Outdated", "Refused", "Restored", "ToolFailed", "Unconfirmed"),
    "svcc.apply.keeper": ("Kept",),
    "svcc.apply.plan": ("Plan",),
    "svcc.apply.session": ("Session",),
    "svcc.apply.generation": ("Generation",),
    "svcc.apply.state_files": ("Locked", "StoreError"),
    "svcc.compiler.errors": ("InputError", "SvccError"),
    "svcc.compiler.ir": ("Endpoint", "Program", "Service"),
    "svcc.targets.interface": ("Bundle",),
}
_HOME = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "Broken",
    "Bundle",
    "Endpoint",
    "Generation",
    "InputError",
    "InvalidPlan",
    "Kept",
    "Locked",
    "Outdated",
    "Plan",
    "Program",
    "Refused",
    "Restored",
    "Service",
    "Session",
    "StoreError",
    "SvccError",
    "ToolFailed",
    "Unconfirmed",
    "compile",
    "load",
]


if not TYPE_CHECKING:  # type checkers use the imports above; with this function they would accept any name

    def __getattr__(name: str) -> Any:
        if name not in _HOME:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
