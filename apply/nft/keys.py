"""Which maps and sets of a table have frontends as their keys: read from the rules that ask them, whatever they are
called."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache

from svcc.kernel.nft.expressions import Concat, Expression, Lookup, Meta, Named, Payload
from svcc.kernel.nft.state import Table
from svcc.kernel.nft.statements import Dnat, Match, Statement, VerdictMap
from svcc.kernel.steps import FrontendAddress

_ANY_TRANSPORT = "th"


@dataclass(frozen=True, slots=True)
class FrontendKey:
    """What tells frontends apart: the destination's address, protocol and port, or some of these."""

    nodeport: bool  # no address
    protocol: str | None  # of ranges of ports; else the key says it

    def frontend(self, key: str) -> FrontendAddress | None:
        """Of a range, with its first port; None for a key that no frontend has."""
        ports = self.ports(key)
        return self._frontend(key, ports[0]) if ports else None

    def frontends(self, key: str) -> list[FrontendAddress]:
        """With each port."""
        return [self._frontend(key, port) for port in self.ports(key)]

    def ports(self, key: str) -> range:
        """The ports that a key of this kind stands for; none where it has no such form."""
        first, _, last = key.rpartition(" . ")[2].partition("-")
        if not first.isdigit() or not (last or first).isdigit() or key.count(" . ") != self._parts - 1:
            return range(0)
        return range(int(first), int(last or first) + 1)

    @property
    def _parts(self) -> int:
        return 1 + (not self.nodeport) + (self.protocol is None)

    def _frontend(self, key: str, port: int) -> FrontendAddress:
        parts = key.split(" . ")
        return FrontendAddress(None if self.nodeport else parts[0], self.protocol or parts[-2], port)


@dataclass(slots=True)
class FrontendMaps:
    """The maps and sets of a table whose keys are frontends."""

    keys: dict[str, FrontendKey] = field(default_factory=dict)  # by name
    services: dict[FrontendKey, str] = field(default_factory=dict)  # the maps that lead to the chains

    @classmethod
    def of(cls, table: Table) -> FrontendMaps:
        """The keys by which the maps and sets of a table are looked up in its rules."""
        found = cls()
        for chain in table.chains.values():
            for rule in chain.rules:
                for statement in rule:
                    found._add(statement)
        return found

    def _add(self, statement: Statement) -> None:
        for expression, named in _asked(statement):
            key = _key(expression)
            if key is not None:
                self.keys[named.name] = key
                if isinstance(statement, VerdictMap):
                    self.services[key] = named.name


def _asked(statement: Statement) -> Iterator[tuple[Expression, Named]]:
    """The sets that a statement asks for frontends, and by what."""
    match statement:
        case VerdictMap(key, Named() as named) | Dnat(Lookup(key, named)) | Match(key, Named() as named):
            yield key, named


@lru_cache(maxsize=256)
def _key(expression: Expression) -> FrontendKey | None:
    parts = expression.parts if isinstance(expression, Concat) else (expression,)
    match parts:
        case [*before, Payload(transport, "dport")]:
            address, protocol = before[:1], before[-1:]
            nodeport = not (address and isinstance(address[0], Payload) and address[0].field == "daddr")
            spoken = protocol == [Meta("l4proto")]
            if spoken == (transport == _ANY_TRANSPORT) and len(before) == (not nodeport) + spoken:
                return FrontendKey(nodeport, None if spoken else transport)
    return None
