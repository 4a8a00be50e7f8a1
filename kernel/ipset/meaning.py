"""The interface by which a target says, by their names, what its sets are for."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from svcc.kernel.ipset.sets import Sets
from svcc.kernel.steps import FrontendAddress, Phase


@dataclass(frozen=True, slots=True)
class Timing:
    """When the elements of a set are added and removed."""

    comes: Phase = Phase.SETS  # when they are added: this, or DECLARED
    goes: Phase = Phase.SETS_OFF  # when they are removed: this, or DECLARED_OFF
    guards: bool = False  # they keep packets out, so they are added after all others and removed first


class Meaning(ABC):
    """What the sets of one target are for."""

    @abstractmethod
    def knows(self, name: str) -> bool:
        """Whether the target gives its sets such a name."""

    @abstractmethod
    def timing(self, name: str) -> Timing:
        """Return when the elements of a set are added and removed."""

    @abstractmethod
    def frontend(self, name: str, element: str) -> FrontendAddress | None:
        """Return the frontend that an element belongs to; None where it names none."""

    @abstractmethod
    def declares(self, name: str) -> bool:
        """Whether :meth:`virtual_servers` needs the set."""

    @abstractmethod
    def virtual_servers(self, sets: Sets) -> Iterator[str]:
        """Yield the keys (:attr:`svcc.kernel.ipvs.servers.VirtualServer.key`) of the virtual servers that sets
        declare."""

    @abstractmethod
    def marked(self, sets: Sets) -> Mapping[str, tuple[FrontendAddress, ...]]:
        """Return the frontends whose packets sets mark, by the key of the virtual server that goes by the mark."""


class CombinedMeaning(Meaning):
    """What the sets of several targets are for. A set that none of them knows is for nothing."""

    def __init__(self, makers: Iterable[Meaning]) -> None:
        self._makers = tuple(makers)

    def _maker(self, name: str) -> Meaning | None:
        return next((maker for maker in self._makers if maker.knows(name)), None)

    def knows(self, name: str) -> bool:
        return self._maker(name) is not None

    def timing(self, name: str) -> Timing:
        maker = self._maker(name)
        return maker.timing(name) if maker else Timing()

    def frontend(self, name: str, element: str) -> FrontendAddress | None:
        maker = self._maker(name)
        return maker.frontend(name, element) if maker else None

    def declares(self, name: str) -> bool:
        maker = self._maker(name)
        return maker is not None and maker.declares(name)

    def virtual_servers(self, sets: Sets) -> Iterator[str]:
        for maker in self._makers:
            yield from maker.virtual_servers(sets)

    def marked(self, sets: Sets) -> Mapping[str, tuple[FrontendAddress, ...]]:
        return {key: frontends for maker in self._makers for key, frontends in maker.marked(sets).items()}
