"""The interface of those who confirm what an agent applied."""

from __future__ import annotations

from typing import Protocol

from svcc.compiler import ir
from svcc.compiler.errors import SvccError


class Judge(Protocol):
    """Decides whether a new program stays, when it is in the kernel already."""

    #: Seconds within which the program has to be confirmed; else the machine goes back by itself.
    seconds: float
    #: The program that an earlier agent kept; None where there was none.
    known: ir.Program | None

    async def agrees(self, program: ir.Program) -> bool:
        """Return whether the program stays."""
        ...

    def note_kept(self, program: ir.Program) -> None:
        """Take note that the program is in the kernel, and stays."""
        ...

    def note_failed(self, program: ir.Program, why: str) -> None:
        """Take note that the program is not in the kernel, or not any more; the one that was kept before is. ``why``:
        the reason."""
        ...


class NotAgreed(SvccError):
    """Nobody confirmed in time that a new program stays."""
