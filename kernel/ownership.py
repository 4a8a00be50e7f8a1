"""Tell by its name whether a kernel object is ours."""

from __future__ import annotations

from typing import Protocol


class Ours(Protocol):
    """The rule by which kernel objects are ours."""

    @property
    def prefix(self) -> str:
        """The prefix of the names of our chains and sets, which a ``-`` follows there."""

    def owns(self, name: str) -> bool:
        """Whether a chain or a set of that name is ours."""
