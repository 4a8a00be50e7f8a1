"""What a program serves, in short: enough to tell which service an object in the kernel belongs to."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from svcc.apply.steps import Change, Place
from svcc.compiler import ir
from svcc.compiler.frontends import Frontend, frontends
from svcc.compiler.names import word


@dataclass(frozen=True, slots=True)
class Listener:
    """A frontend: where it listens, and who answers there."""

    label: str  # see svcc.compiler.names
    service: str
    address: str | None  # None: a node port
    version: int
    protocol: str
    first: int
    last: int
    endpoints: tuple[tuple[str, int, int], ...]  # address, port (for the first port), weight; 0: draining

    @property
    def place(self) -> Place:
        return Place(self.address, self.protocol, self.first)


@dataclass(frozen=True)
class Summary:
    """Listeners in the program's order, and the addresses that the node was declared with."""

    listeners: tuple[Listener, ...] = ()
    node_addresses: tuple[str, ...] = ()

    @cached_property
    def _places(self) -> dict[tuple[str | None, str, int], Listener]:
        return {(one.address, one.protocol, port): one for one in self.listeners for port in _ports(one)}

    @cached_property
    def _labels(self) -> dict[str, Listener]:
        return {one.label: one for one in reversed(self.listeners)} | {
            word(one.service): one for one in reversed(self.listeners)
        }

    def listener(self, place: Place | None, label: str = "") -> Listener | None:
        """Which one an object is of. On ipvs a node port is a virtual server at one of the node's addresses."""
        if place is not None:
            found = self._places.get((place.address, place.protocol, place.port))
            if found is None and place.address in self.node_addresses:
                found = self._places.get((None, place.protocol, place.port))
            if found is not None:
                return found
        return self._labels.get(label)

    def served_by(self, other: Summary) -> list[str]:
        """The services that have a frontend in common with another summary's, sorted."""
        return sorted({self._places[key].service for key in self._places.keys() & other._places.keys()})

    def of(self, change: Change) -> Listener | None:
        return self.listener(change.place, change.label)

    def to_json(self) -> Any:
        rows = [
            [one.label, one.service, one.address, one.version, one.protocol, one.first, one.last, one.endpoints]
            for one in self.listeners
        ]
        return {"node_addresses": self.node_addresses, "listeners": rows}

    @classmethod
    def from_json(cls, data: Any) -> Summary:
        rows = (Listener(*row) for row in data["listeners"])
        listeners = [replace(row, endpoints=tuple((e[0], e[1], e[2]) for e in row.endpoints)) for row in rows]
        return cls(tuple(listeners), tuple(data["node_addresses"]))


def summary(program: ir.Program, node: ir.Node | None) -> Summary:
    """The summary of a program on a node."""
    own = tuple(map(str, node.addresses)) if node else ()
    return Summary(tuple(map(_listener, frontends(program, node))), own)


def _listener(frontend: Frontend) -> Listener:
    return Listener(
        frontend.label,
        frontend.service.name,
        None if frontend.address is None else str(frontend.address),
        frontend.version,
        frontend.port.protocol.value,
        frontend.ports.first,
        frontend.ports.last,
        tuple(
            (str(endpoint.address), frontend.target(endpoint), endpoint.weight)
            for endpoint in (*frontend.endpoints, *frontend.draining)
        ),
    )


def _ports(one: Listener) -> Iterable[int]:
    return range(one.first, one.last + 1)
