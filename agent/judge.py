"""Who confirms what an agent applied, where somebody is to."""

from __future__ import annotations

from typing import Protocol

from svcc.compiler import ir
from svcc.compiler.errors import SvccError


class Judge(Protocol):
    """Who has the last word about a new program, when it is in the kernel already."""

    #: Seconds within which the word has to come; without it the machine goes back by itself.
    seconds: float
    #: The program that was kept before, by an earlier agent; None: there was none.
    known: ir.Program | None

    async def agrees(self, program: ir.Program) -> bool:
        """Whether it is to stay."""
        ...

    def kept(self, program: ir.Program) -> None:
        """It is in the kernel, and stays."""
        ...

    def failed(self, program: ir.Program, why: str) -> None:
        """It is not in the kernel, or not any more; what was kept before is."""
        ...


class NotAgreed(SvccError):
    """Nobody said in time that a new program is to stay."""
