"""Whose an object is: its name says it."""

from __future__ import annotations

from typing import Protocol


class Ours(Protocol):
    """What is ours among the kernel's objects."""

    @property
    def prefix(self) -> str:
        """What the names of our chains and sets begin with, before a ``-``."""

    def owns(self, name: str) -> bool:
        """Whether a chain or a set of that name is ours."""
