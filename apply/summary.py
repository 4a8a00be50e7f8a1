"""A short form of what a program serves, enough to tell which service an object in the kernel belongs to."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import cached_property
from operator import attrgetter

from svcc.compiler import ir
from svcc.compiler.frontends import Frontend, frontends
from svcc.compiler.names import word
from svcc.kernel.addresses import text_of
from svcc.kernel.json_values import Json, integer, items, members, optional, string, strings
from svcc.kernel.routes import Destination, Frontends, Route, Routes, ports_text
from svcc.kernel.steps import Change, FrontendAddress

_LAST = attrgetter("last")


class State(Enum):
    """What an endpoint does at a frontend. The values are the words of `svcc status`, and of a record."""

    SERVING = "serving"
    DRAINING = "draining"  # it finishes what it has, and gets nothing new
    BACKUP = "backup"  # it gets nothing while others can serve
    REMOTE = "remote"  # it gets nothing while nearer ones can serve


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
    endpoints: tuple[tuple[str, int, int], ...]  # address, port (for the first port), weight; 0: nothing new
    elsewhere: tuple[tuple[str, int], ...] = ()  # endpoints that get no new connections as they are on other nodes
    bypassed: bool = False  # whether endpoints answer clients directly, past this machine
    #: Those of the endpoints that get nothing new although they are not draining: address, port, state.
    waiting: tuple[tuple[str, int, str], ...] = ()

    def declared(self, route: Route) -> Iterator[Route]:
        """Yield the routes by which connections to the endpoint of a route go on, if only to finish."""
        at = FrontendAddress(route.frontend.address, self.protocol, self.first)
        for endpoint, port in (*((one, port) for one, port, _ in self.endpoints), *self.elsewhere):
            if endpoint == route.endpoint:
                yield Route(at, endpoint, port, len(self.ports))

    def states(self) -> Iterator[State]:
        """Yield the state of each endpoint. A record of an earlier svcc calls all that get nothing new draining."""
        waiting = {(address, port): State(state) for address, port, state in self.waiting}
        for address, port, weight in self.endpoints:
            yield State.SERVING if weight else waiting.get((address, port), State.DRAINING)

    @property
    def ports(self) -> range:
        """The ports that clients connect to."""
        return range(self.first, self.last + 1)

    @property
    def text(self) -> str:
        """Its address, ports and protocol, as people read them: "198.19.10.0:80-81/tcp"."""
        return ports_text(self.reached_at, self.last)

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
    def _by_address(self) -> dict[Destination, Sequence[ServedFrontend]]:
        """The frontends by the address and protocol that clients connect to, in the order of their ports. Ranges of
        ports do not overlap, except that a node port has the same for each address family."""
        found: dict[Destination, list[ServedFrontend]] = {}
        for one in self.frontends:
            found.setdefault(Destination(one.address, one.protocol), []).append(one)
        return {key: sorted(some, key=_LAST) if len(some) > 1 else some for key, some in found.items()}

    @cached_property
    def _labels(self) -> dict[str, ServedFrontend]:
        return {one.label: one for one in reversed(self.frontends)} | {
            word(one.service): one for one in reversed(self.frontends)
        }

    def frontend(self, address: FrontendAddress | None, label: str = "") -> ServedFrontend | None:
        """Return the frontend that an object is of; None where it is of none. ``address``: where clients reach it;
        ``label``: the label that the object has. On ipvs a node port is a virtual server at a node's address."""
        found = None if address is None else next(self.at(address), None)
        return found or self._labels.get(label)

    def at(self, at: FrontendAddress, ports: int = 1) -> Iterator[ServedFrontend]:
        """Yield the frontends that have any of so many ports at an address."""
        for address in (at.address, None) if at.address in self.node_addresses else (at.address,):
            some = self._by_address.get(Destination(address, at.protocol), ())
            for place in range(bisect_left(some, at.port, key=_LAST), len(some)):
                if some[place].first >= at.port + ports:
                    break
                yield some[place]

    @property
    def listens(self) -> Frontends:
        """What it serves, with node ports on whatever address."""
        return Frontends((Destination(one.address, one.protocol), one.first, one.last) for one in self.frontends)

    @property
    def reached(self) -> Frontends:
        """What clients may connect to. On ipvs a node port is at the node's addresses."""
        return Frontends(
            (Destination(address, one.protocol), one.first, one.last)
            for one in self.frontends
            for address in ((None, *self.node_addresses) if one.address is None else (one.address,))
        )

    def lasting(self, routes: Routes) -> Routes:
        """Return those of some routes whose connections may go on because the endpoint is still declared for the
        frontend."""
        return routes & Routes.of(
            declared
            for route in routes
            for one in self.at(route.frontend, route.ports)
            for declared in one.declared(route)
        )

    def draining_routes(self, protocol: str) -> Iterator[Route]:
        """Yield the routes to endpoints that get no new connections, and finish those that they have. No rule leads to
        these endpoints any more."""
        for one in self.frontends:
            ends = [(address, port) for address, port, weight in one.endpoints if not weight] + [*one.elsewhere]
            if ends and one.protocol == protocol:
                yield from (Route(one.reached_at, address, target, len(one.ports)) for address, target in ends)

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
    if one.waiting:
        return [*own, one.elsewhere, one.bypassed, one.waiting]
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
    waiting: Json = (),
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
        tuple((string(at), integer(port), State(state).value) for at, port, state in map(items, items(waiting))),
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
        tuple(_waiting(frontend)) if frontend.draining else (),
    )


def _waiting(frontend: Frontend) -> Iterator[tuple[str, int, str]]:
    """Yield the endpoints that wait until others can serve no more: those of a later rank, and those farther away."""
    draining = {(one.address, one.port) for one in frontend.service.endpoints if one.draining}
    backups_serve = any(one.backup for one in frontend.endpoints)
    for one in frontend.draining:
        if (one.address, one.port) not in draining:
            state = State.BACKUP if one.backup and not backups_serve else State.REMOTE
            yield str(one.address), frontend.target(one), state.value


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
