"""Find the maps and sets of a table whose keys are frontends. The rules that look them up tell that, not their
names."""

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
    """The form of the keys that name frontends: address, protocol and port of the destination, or some of these."""

    nodeport: bool  # whether keys have no address
    protocol: str | None  # the protocol of all keys, where they are ranges of ports; None: each key has its own

    def frontend(self, key: str) -> FrontendAddress | None:
        """Return the frontend that a key names; for a range of ports, the one with its first port; None for a key of
        another form."""
        ports = self.ports(key)
        return self.at(key, ports[0]) if ports else None

    def ports(self, key: str) -> range:
        """Return the ports that a key names; none for a key of another form."""
        first, _, last = key.rpartition(" . ")[2].partition("-")
        if not first.isdigit() or not (last or first).isdigit() or key.count(" . ") != self._parts - 1:
            return range(0)
        return range(int(first), int(last or first) + 1)

    @property
    def _parts(self) -> int:
        return 1 + (not self.nodeport) + (self.protocol is None)

    def at(self, key: str, port: int) -> FrontendAddress:
        """Return the frontend of one of the ports that a key names."""
        parts = key.split(" . ")
        return FrontendAddress(None if self.nodeport else parts[0], self.protocol or parts[-2], port)


@dataclass(slots=True)
class FrontendMaps:
    """The maps and sets of a table whose keys are frontends."""

    keys: dict[str, FrontendKey] = field(default_factory=dict)  # by name
    services: dict[FrontendKey, str] = field(default_factory=dict)  # the names of the maps that lead to the chains

    @classmethod
    def of(cls, table: Table) -> FrontendMaps:
        """Return the maps and sets of a table that its rules look up by a frontend."""
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
    """Yield each named set or map that a statement looks up, with the expression of the key."""
    match statement:
        case VerdictMap(key, Named() as named) | Dnat(Lookup(key, named)) | Match(key, Named() as named):
            yield key, named


@lru_cache(maxsize=256)
def _key(expression: Expression) -> FrontendKey | None:
    parts = expression.parts if isinstance(expression, Concat) else (expression,)
    match parts:
        case [*before, Payload(transport, "dport")]:
            address, protocol = before[:1], before[-1:]  # each may be missing
            nodeport = not (address and isinstance(address[0], Payload) and address[0].field == "daddr")
            spoken = protocol == [Meta("l4proto")]
            if spoken == (transport == _ANY_TRANSPORT) and len(before) == (not nodeport) + spoken:
                return FrontendKey(nodeport, None if spoken else transport)
    return None
