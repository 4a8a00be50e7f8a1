"""The interface by which a target says, by their names, what its chains are for."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol


class Meaning(Protocol):
    """What the chains of one prefix are for."""

    def label(self, chain: str) -> str:
        """Return the service, or service and port, that a chain is named after; "" for other chains."""

    def branches(self, chain: str) -> bool:
        """Whether a chain leads on to services, by address and port."""


class CombinedMeaning(Meaning):
    """What the chains of several targets are for. A chain that none of them knows is for nothing."""

    def __init__(self, makers: Iterable[Meaning]) -> None:
        self._makers = tuple(makers)

    def label(self, chain: str) -> str:
        return next(filter(None, (maker.label(chain) for maker in self._makers)), "")

    def branches(self, chain: str) -> bool:
        return any(maker.branches(chain) for maker in self._makers)
