"""A set or map by its name, as the modules of this target speak of them."""

from __future__ import annotations

from dataclasses import dataclass

from svcc.kernel.nft.state import Declaration


@dataclass(frozen=True, slots=True)
class Set:
    """A named set, or a map."""

    name: str
    declaration: Declaration

    @classmethod
    def of(
        cls,
        name: str,
        types: tuple[str, ...],
        data: str | None = None,
        *,
        interval: bool = False,
        timeout: bool = False,
        size: int | None = None,
    ) -> Set:
        """As :class:`Declaration` has it."""
        return cls(name, Declaration(types, data, interval, timeout, size))
