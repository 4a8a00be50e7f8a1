"""Endpoints that left the file and drain for a time, where the kernel's own balancer (IPVS) forwards packets.

A connection that IPVS forwards ends when its real server is removed. So an endpoint that leaves the file stays in the
kernel for a time, without new connections: as a draining endpoint of its frontend, if that is still served, else of a
service made for this. An apply waits meanwhile; an agent has other things to do.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from svcc.compiler import ir
from svcc.compiler.checks import check
from svcc.compiler.diagnostic import has_errors
from svcc.compiler.differing import differing_services
from svcc.compiler.frontends import Frontend, frontends

#: Where clients connect to: an address (None: a node port), a protocol, a family, and ports.
_Place: TypeAlias = tuple[ir.Address | None, ir.Protocol, int, ir.PortRange]


@dataclass(frozen=True, slots=True)
class _Way:
    """The way from a frontend to an endpoint that may have connections. ``port``: the endpoint's, for the frontend's
    first port."""

    place: _Place
    address: ir.Address
    port: int


#: Ways, each with its frontend.
_Ways: TypeAlias = Mapping[_Way, Frontend]


class Leaving:
    """The endpoints that left the programs that were served, each for ``seconds`` from then on.

    Times are in seconds of any clock that is never put back.
    """

    def __init__(self, seconds: float, node: str | None) -> None:
        """``node``: the name of this machine, where programs declare several."""
        self._seconds = seconds
        self._name = node
        self._until: dict[_Way, float] = {}
        self._ways: dict[_Way, Frontend] = {}

    def follow(self, before: ir.Program, after: ir.Program, now: float) -> int:
        """Note which endpoints leave when ``after`` replaces ``before``, which is in the kernel with all that was
        leaving.

        Return how many endpoints begin to leave, each counted once for every frontend.
        """
        known = {*self._until}
        differing = differing_services(before, after).keys()
        new = self._ways_of(_only(after, differing))
        self._ways = {way: front for way, front in self._ways_of(_only(before, differing)).items() if way not in new}
        self._until = {way: self._until.get(way, now + self._seconds) for way in self._ways}
        return len(self._ways.keys() - known)

    @property
    def due(self) -> float | None:
        """When the next endpoint's time is over; None where nothing leaves."""
        return min(self._until.values(), default=None)

    def expire(self, now: float) -> None:
        """Forget the endpoints whose time is over."""
        self._until = {way: until for way, until in self._until.items() if until > now}
        self._ways = {way: front for way, front in self._ways.items() if way in self._until}

    def with_leaving(self, program: ir.Program) -> ir.Program:
        """Return the program with the endpoints that leave. Those for which the program has no room end at once."""
        if not self._ways:
            return program
        node = self._node(program)
        places = {_place(front): front for front in frontends(program, node)}
        more: dict[str, list[ir.Endpoint]] = {}
        gone: dict[_Way, Frontend] = {}
        for way, front in self._ways.items():
            present = places.get(way.place)
            if present is None:
                gone[way] = front
            elif _has_room(present, way, front):
                own = None if way.port == present.port.target else way.port
                more.setdefault(present.service.name, []).append(_drained(way.address, own, node))
        made = replace(program, services=tuple(_with(one, more.get(one.name, ())) for one in program.services))
        names = {service.name for service in program.services}
        return _beside(made, [*_remains(gone, node, names)])

    def _ways_of(self, program: ir.Program) -> dict[_Way, Frontend]:
        return {
            _Way(_place(front), endpoint.address, front.target(endpoint)): front
            for front in frontends(program, self._node(program))
            for endpoint in (*front.endpoints, *front.draining)
        }

    def _node(self, program: ir.Program) -> ir.Node | None:
        if self._name is None:
            return program.nodes[0] if len(program.nodes) == 1 else None
        return program.node(self._name)


def _only(program: ir.Program, names: Collection[str]) -> ir.Program:
    return replace(program, services=tuple(one for one in program.services if one.name in names))


def _place(front: Frontend) -> _Place:
    return front.address, front.port.protocol, front.version, front.ports


def _has_room(front: Frontend, way: _Way, former: Frontend) -> bool:
    """Whether a service can have the endpoint as a draining one; a service with scheduler ``dh`` cannot."""
    service = front.service
    fits = way.port == front.port.target or len(service.ports) == 1
    return fits and service.scheduler is not ir.Scheduler.DH and service.forward is former.service.forward


def _drained(address: ir.Address, port: int | None, node: ir.Node | None) -> ir.Endpoint:
    """Return an endpoint that gets no new connection, whatever ``when-empty`` says: see
    :func:`svcc.compiler.frontends.ranks`."""
    return ir.Endpoint(address, port, 0, None if node is None else node.name, backup=True)


def _beside(program: ir.Program, remnants: Sequence[ir.Service]) -> ir.Program:
    """Return the program with those remnants of services that it has room for: all of them, most often."""
    if not remnants:
        return program
    whole = replace(program, services=(*program.services, *remnants))
    if not has_errors([*check(whole)]):
        return whole
    half = len(remnants) // 2
    return program if not half else _beside(_beside(program, remnants[:half]), remnants[half:])


def _with(service: ir.Service, more: Iterable[ir.Endpoint]) -> ir.Service:
    known = {(one.address, one.port) for one in service.endpoints}
    new = tuple(one for one in dict.fromkeys(more) if (one.address, one.port) not in known)
    return replace(service, endpoints=(*service.endpoints, *new)) if new else service


def _remains(gone: _Ways, node: ir.Node | None, names: Collection[str]) -> Iterator[ir.Service]:
    """Yield services for the frontends that are not served any more: for each former service one for all ports with the
    same addresses."""
    taken = {*names}
    for service in {front.service.name: front.service for front in gone.values()}.values():
        ours = [(way, front) for way, front in gone.items() if front.service.name == service.name]
        ports: dict[frozenset[ir.Address | None], list[ir.Port]] = {}
        for port in service.ports:
            if found := frozenset(way.place[0] for way, front in ours if front.port == port):
                ports.setdefault(found, []).append(port)
        for addresses, some in ports.items():
            name = _fresh(service.name, taken)
            taken.add(name)
            ends = [
                _drained(way.address, None if way.port == front.port.target else way.port, node)
                for way, front in ours
                if front.port in some
            ]
            yield _remnant(service, name, addresses, some, ends)


def _remnant(
    service: ir.Service,
    name: str,
    addresses: Collection[ir.Address | None],
    ports: Iterable[ir.Port],
    ends: Iterable[ir.Endpoint],
) -> ir.Service:
    vips = tuple(one for one in service.vips if one in addresses)
    external_ips = tuple(one for one in service.external_ips if one in addresses)
    return replace(
        service,
        name=name,
        vips=vips,
        external_ips=external_ips,
        announce=service.announce and bool(vips or external_ips),
        shared=tuple(one for one in service.shared if one in addresses),
        ports=tuple(port if None in addresses else replace(port, nodeport=None) for port in ports),
        endpoints=tuple(dict.fromkeys(ends)),
        scheduler=None,
        scheduler_by=ir.HashBy.ADDRESS,
        check=None,
    )


def _fresh(name: str, taken: Collection[str]) -> str:
    return next(one for one in (name, *(f"{name}-left-{n}" for n in range(len(taken) + 1))) if one not in taken)
