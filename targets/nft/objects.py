"""The sets and maps of this target by name."""

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
        """Return a set; the arguments are those of :class:`Declaration`."""
        return cls(name, Declaration(types, data, interval, timeout, size))
