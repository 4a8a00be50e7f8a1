"""A short form of what a program serves, enough to tell which service an object in the kernel belongs to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property

from svcc.compiler import ir
from svcc.compiler.frontends import Frontend, frontends
from svcc.compiler.names import word
from svcc.kernel.addresses import text_of
from svcc.kernel.json_values import Json, integer, items, members, optional, string, strings
from svcc.kernel.steps import Change, FrontendAddress, Route


@dataclass(frozen=True, slots=True)
class ServedFrontend:
    """A frontend of a program, as a generation records it: where it listens, and who answers there."""

    label: str  # see svcc.compiler.names
    service: str
    address: str | None  # None: a node port
    version: int
    protocol: str
    first: int
    last: int
    endpoints: tuple[tuple[str, int, int], ...]  # address, port (for the first port), weight; 0: draining
    elsewhere: tuple[tuple[str, int], ...] = ()  # endpoints that get no new connections as they are on other nodes
    bypassed: bool = False  # whether endpoints answer clients directly, past this machine

    def lasts(self, route: Route) -> bool:
        """Whether the endpoint of a route is declared, if only to finish the connections that it has."""
        shift = route.frontend.port - self.first
        return any(one[:2] == (route.endpoint, route.port - shift) for one in (*self.endpoints, *self.elsewhere))

    @property
    def reached_at(self) -> FrontendAddress:
        """Its address, protocol and first port."""
        return FrontendAddress(self.address, self.protocol, self.first)


@dataclass(frozen=True)
class Summary:
    """The frontends that a program serves on a node, with what is needed to find them."""

    frontends: tuple[ServedFrontend, ...] = ()  # in the program's order
    node_addresses: tuple[str, ...] = ()  # the addresses that the node was declared with
    node_port_networks: tuple[str, ...] = ()  # the networks whose local addresses serve node ports; empty: all

    @cached_property
    def _by_address(self) -> dict[tuple[str | None, str, int], tuple[ServedFrontend, ...]]:
        """The frontends by the address, protocol and port that clients connect to. A node port has one for each address
        family."""
        found: dict[tuple[str | None, str, int], tuple[ServedFrontend, ...]] = {}
        for one in self.frontends:
            for port in _ports(one):
                key = one.address, one.protocol, port
                found[key] = (*found.get(key, ()), one)
        return found

    @cached_property
    def _labels(self) -> dict[str, ServedFrontend]:
        return {one.label: one for one in reversed(self.frontends)} | {
            word(one.service): one for one in reversed(self.frontends)
        }

    def frontend(self, address: FrontendAddress | None, label: str = "") -> ServedFrontend | None:
        """Return the frontend that an object is of; None where it is of none. ``address``: where clients reach it;
        ``label``: the label that the object has. On ipvs a node port is a virtual server at a node's address."""
        found = () if address is None else self._at(address)
        return found[0] if found else self._labels.get(label)

    def _at(self, at: FrontendAddress) -> tuple[ServedFrontend, ...]:
        found = self._by_address.get((at.address, at.protocol, at.port), ())
        if not found and at.address in self.node_addresses:
            found = self._by_address.get((None, at.protocol, at.port), ())
        return found

    def served_by(self, other: Summary) -> list[str]:
        """The services that have a frontend in common with another summary's, sorted."""
        return sorted({self._by_address[key][0].service for key in self._by_address.keys() & other._by_address.keys()})

    def lasts(self, route: Route) -> bool:
        """Whether connections of a route may go on because its endpoint is still declared for the frontend."""
        return any(one.lasts(route) for one in self._at(route.frontend))

    def draining_routes(self, protocol: str) -> Iterator[Route]:
        """Yield the routes to endpoints that get no new connections, and finish those that they have. No rule leads to
        these endpoints any more."""
        for one in self.frontends:
            ends = [(address, port) for address, port, weight in one.endpoints if not weight] + [*one.elsewhere]
            if ends and one.protocol == protocol:
                for shift, port in enumerate(_ports(one)):
                    frontend = FrontendAddress(one.address, protocol, port)
                    yield from (Route(frontend, address, target + shift) for address, target in ends)

    def of(self, change: Change) -> ServedFrontend | None:
        """Return the frontend that a change of an object is about; None where it is about none."""
        return self.frontend(change.frontend, change.label)

    def to_json(self) -> Json:
        """Return the summary in JSON's own types, as a generation records it."""
        own: dict[str, Json] = {"node_addresses": self.node_addresses, "node_port_networks": self.node_port_networks}
        return {**own, "listeners": [frontend_to_json(one) for one in self.frontends]}

    @classmethod
    def from_json(cls, data: Json) -> Summary:
        """Return the summary that :meth:`to_json` gave. Errors: LookupError, TypeError, ValueError."""
        fields = members(data)
        served = tuple(_frontend_from_json(*items(row)) for row in items(fields["listeners"]))
        return cls(served, strings(fields["node_addresses"]), strings(fields.get("node_port_networks", ())))


def frontend_to_json(one: ServedFrontend) -> Json:
    """Return a frontend as a row of a summary in JSON. The fields that most frontends do not set are at the end, and
    are left out where they are not set."""
    own = (one.label, one.service, one.address, one.version, one.protocol, one.first, one.last, one.endpoints)
    if one.bypassed:
        return [*own, one.elsewhere, True]
    return [*own, one.elsewhere] if one.elsewhere else [*own]


def _frontend_from_json(
    label: Json,
    service: Json,
    address: Json,
    version: Json,
    protocol: Json,
    first: Json,
    last: Json,
    endpoints: Json,
    elsewhere: Json = (),
    bypassed: Json = False,
) -> ServedFrontend:
    return ServedFrontend(
        string(label),
        string(service),
        optional(string, address),
        integer(version),
        string(protocol),
        integer(first),
        integer(last),
        tuple((string(at), integer(port), integer(weight)) for at, port, weight in map(items, items(endpoints))),
        tuple((string(at), integer(port)) for at, port in map(items, items(elsewhere))),
        bool(bypassed),
    )


def summary(program: ir.Program, node: ir.Node | None) -> Summary:
    """Return the summary of a program on a node; None: on any node."""
    own = tuple(map(str, node.addresses)) if node else ()
    networks = tuple(map(str, program.cluster.nodeport_addresses))
    return Summary(tuple(map(_served_frontend, frontends(program, node))), own, networks)


def _served_frontend(frontend: Frontend) -> ServedFrontend:
    target = frontend.port.target  # as Frontend.target has it, without a call for each of a hundred thousand endpoints
    return ServedFrontend(
        frontend.label,
        frontend.service.name,
        None if frontend.address is None else str(frontend.address),
        frontend.version,
        frontend.port.protocol.value,
        frontend.ports.first,
        frontend.ports.last,
        tuple(
            [
                (text_of(endpoint.address), target if endpoint.port is None else endpoint.port, endpoint.weight)
                for endpoint in (*frontend.endpoints, *frontend.draining)
            ]
        ),
        tuple((str(endpoint.address), frontend.target(endpoint)) for endpoint in _elsewhere(frontend)),
        frontend.service.forward is not ir.Forward.MASQUERADE,
    )


def _elsewhere(frontend: Frontend) -> Iterable[ir.Endpoint]:
    """Return the service's endpoints of the frontend's address family that the frontend does not use."""
    here = len(frontend.endpoints) + len(frontend.draining)
    if here == len(frontend.service.endpoints):
        return ()
    known = {(one.address, one.port) for one in (*frontend.endpoints, *frontend.draining)}
    return (
        one
        for one in frontend.service.endpoints
        if one.address.version == frontend.version and (one.address, one.port) not in known
    )


def _ports(one: ServedFrontend) -> Iterable[int]:
    return range(one.first, one.last + 1)
