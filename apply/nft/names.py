"""What the names of our maps say: which are keyed by frontend, and how."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from svcc.kernel.steps import Place

_NAME = re.compile(
    r"(?P<prefix>(?P<nodeport>nodeport-)?(?:(?P<protocol>tcp|udp|sctp)-range-)?)"
    r"(?:(?P<services>services)|declared|endpoint-\d+)"
)


@dataclass(frozen=True, slots=True)
class Keyed:
    """A map or set whose keys are frontends."""

    prefix: str  # "", "nodeport-", "tcp-range-", …: the same of all that share their keys
    nodeport: bool
    protocol: str | None  # of ranges of ports; else the key says it
    services: bool  # whether it is the map that leads to the chains

    def place(self, key: str) -> Place | None:
        """Of a range, with its first port; None for a key that no frontend has."""
        ports = self.ports(key)
        return self._place(key, ports[0]) if ports else None

    def places(self, key: str) -> list[Place]:
        """With each port."""
        return [self._place(key, port) for port in self.ports(key)]

    def ports(self, key: str) -> range:
        first, _, last = key.rpartition(" . ")[2].partition("-")
        if not first.isdigit() or not (last or first).isdigit() or key.count(" . ") != self._parts - 1:
            return range(0)
        return range(int(first), int(last or first) + 1)

    @property
    def _parts(self) -> int:
        return 1 + (not self.nodeport) + (self.protocol is None)

    def _place(self, key: str, port: int) -> Place:
        parts = key.split(" . ")
        return Place(None if self.nodeport else parts[0], self.protocol or parts[-2], port)


@lru_cache(maxsize=1024)
def keyed(name: str) -> Keyed | None:
    """What a map's name says; None where it is not keyed by frontend."""
    if name == "nodeports":
        return Keyed("nodeport-", True, None, True)
    found = _NAME.fullmatch(name)
    if found is None:
        return None
    return Keyed(found["prefix"], bool(found["nodeport"]), found["protocol"], bool(found["services"]))


def services_of(prefix: str) -> str:
    """The map that leads to the chains, of those with this prefix."""
    return "nodeports" if prefix == "nodeport-" else f"{prefix}services"
