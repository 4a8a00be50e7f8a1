"""Finds the services of a program that have to be checked together with a change of some services."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import TypeAlias

from svcc.compiler import ir

#: What two services cannot both have, or have to agree on: an address (as its number), or a node port.
_Thing: TypeAlias = int | tuple[ir.Protocol, int]


class Neighbours:
    """The services of a program by what they may clash over, kept up to date."""

    def __init__(self, program: ir.Program) -> None:
        self._own = {int(address) for node in program.nodes for address in node.addresses}
        self._routed = {route.service for balancer in program.balancers for route in balancer.routes}
        self._names: dict[_Thing, set[str]] = {}
        self._sharing: set[str] = set()  # names of services with an address of a machine
        for service in program.services:
            self._take(service)

    def around(self, program: ir.Program, services: Mapping[str, ir.Service | None]) -> ir.Program:
        """Return ``program`` with only the services that have to be checked after ``services`` changed in it: these,
        and those that they may clash with. A fault that the change brought into the whole program is in the result, and
        no other fault is. ``program``: the whole program after the change.
        """
        things = {thing for one in services.values() if one is not None for thing in self._things(one)}
        names = {name for thing in things for name in self._names.get(thing, ())}
        names |= self._sharing | self._routed | services.keys()
        return replace(program, services=tuple(one for one in program.services if one.name in names))

    def update(self, before: Iterable[ir.Service], after: Iterable[ir.Service]) -> None:
        """Replace some services by others."""
        for service in before:
            for thing in {*self._things(service)}:
                names = self._names[thing]
                names.discard(service.name)
                if not names:
                    del self._names[thing]
            self._sharing.discard(service.name)
        for service in after:
            self._take(service)

    def _take(self, service: ir.Service) -> None:
        for thing in self._things(service):
            self._names.setdefault(thing, set()).add(service.name)
        if any(int(address) in self._own for address in service.shared):
            self._sharing.add(service.name)

    def _things(self, service: ir.Service) -> Iterator[_Thing]:
        """Yield what a service may clash over: its addresses, those of its endpoints, and node ports. Things may come
        more than once. Where it has an address of a machine, its ports count as node ports, because node ports are
        served on that address as well.
        """
        yield from map(int, service.addresses)
        yield from (int(endpoint.address) for endpoint in service.endpoints)
        shares = any(int(address) in self._own for address in service.shared)
        for port in service.ports:
            for ports in (port.nodeport, port.ports if shares else None):
                if ports is not None:
                    yield from ((port.protocol, number) for number in range(ports.first, ports.last + 1))
