"""What a program listens on, seen from one node: the services spread out into frontends.

A target renders frontends. What follows from the language alone (families, which endpoints are eligible on this node,
whose source address is rewritten) is decided here, once for all targets.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from enum import Enum
from functools import cached_property
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, collapse_addresses
from typing import TypeAlias

from svcc.compiler import ir, names

Endpoints: TypeAlias = tuple[ir.Endpoint, ...]


class Kind(Enum):
    """How clients reach a frontend."""

    VIP = "vip"
    EXTERNAL_IP = "external-ip"
    NODE_PORT = "nodeport"


class Rewrite(Enum):
    """Which clients are masqueraded.

    A hairpin (an endpoint that reaches itself) is masqueraded in each case, unless packets stay as they are (forward
    direct and tunnel).
    """

    NOBODY = "nobody"
    OUTSIDE_PODS = "outside pods"  # clients outside the pod networks of the frontend's family
    NETWORKS = "networks"  # clients in ``Frontend.rewrite_from``
    EVERYBODY = "everybody"


@dataclass(frozen=True, slots=True)
class Frontend:
    """One address (or, for a node port, every serving local address of one family) with one declared port."""

    service: ir.Service
    port: ir.Port
    kind: Kind
    version: int  # 4 or 6
    address: ir.Address | None  # None for a node port
    ports: ir.PortRange  # what the client connects to
    endpoints: tuple[ir.Endpoint, ...]  # those that take new connections, in the order of the source; none has weight 0
    # those that only keep the connections they have; in the order of the source, and all of weight 0
    draining: tuple[ir.Endpoint, ...]
    rewrite: Rewrite
    allow_from: tuple[ir.Network, ...]  # networks of this family; see ``restricted``
    restricted: bool  # True: clients outside ``allow_from`` (which may be empty) are dropped
    rewrite_from: tuple[ir.Network, ...] = ()  # networks of this family without overlaps, and none that is all of it
    #: The first and the last address that replace a client's source, of this family; None: the machine's own.
    snat: tuple[ir.Address, ir.Address] | None = None

    @property
    def client_length(self) -> int | None:
        """The prefix length of what affinity counts as one client. None: it is a whole address."""
        ipv4, ipv6 = self.service.affinity_networks
        length, whole = (ipv4, 32) if self.version == 4 else (ipv6, 128)
        return None if length == whole else length

    def target(self, endpoint: ir.Endpoint) -> int:
        """Return the endpoint's port for the frontend's first port; the other ports follow one to one."""
        return self.port.target if endpoint.port is None else endpoint.port

    @property
    def shared(self) -> bool:
        """Whether others serve the address too. Then traffic to ports that are not declared stays untouched."""
        return self.address in self.service.shared

    @property
    def label(self) -> str:
        """The words from which names and comments for the frontend are made."""
        return port_label(self.service, self.port)


def port_label(service: ir.Service, port: ir.Port) -> str:
    """Return the word for a service's port in names: see :mod:`svcc.compiler.names`."""
    return names.label(service.name, port.name)


def service_label(service: ir.Service) -> str:
    """Return the word from which objects for all of a service's ports are named."""
    return names.word(service.name)


def frontends(program: ir.Program, node: ir.Node | None) -> Iterator[Frontend]:
    """Yield every frontend, by service, then port, then vip, external-ip and node port (v4 before v6)."""
    view = View(program, node)
    for service in program.services:
        yield from view.frontends(service)


class View:
    """Gives the frontends of services on one node of a program. What all services share is computed once."""

    def __init__(self, program: ir.Program, node: ir.Node | None) -> None:
        self._program = program
        self._near = _Near(program, node)
        self._pods: set[int] = {network.version for network in program.cluster.pods}

    def frontends(self, service: ir.Service) -> Iterator[Frontend]:
        """Yield the frontends of a service, in the order of :func:`frontends`."""
        reach = _Reach(service, self._near, self._pods)
        for port in service.ports:
            for vip in service.vips:
                yield reach.frontend(port, Kind.VIP, vip.version, vip)
            for external_ip in service.external_ips:
                yield reach.frontend(port, Kind.EXTERNAL_IP, external_ip.version, external_ip)
            if port.nodeport is not None:
                for version in node_port_versions(self._program, service):
                    yield reach.frontend(port, Kind.NODE_PORT, version, None)


def node_port_versions(program: ir.Program, service: ir.Service) -> tuple[int, ...]:
    """Return the families in which a service has node ports.

    These are the families of its endpoints and addresses. In a family with neither, the service has no node ports, and
    the ports stay the host's own. A service without any endpoint or address has node ports, and no endpoints, in all
    families of the addresses for node ports.
    """
    named = service.families
    served = {network.version for network in program.cluster.nodeport_addresses} or {4, 6}
    return tuple(sorted((named or served) & served))


def service_networks(cluster: ir.Cluster, version: int) -> tuple[ir.Network, ...]:
    """Return the networks of service addresses of a family, in numeric order and without overlaps."""
    return apart(cluster.services, version)


def ranks(endpoints: Endpoints, when_empty: ir.WhenEmpty) -> Iterator[Endpoints]:
    """Yield the groups of endpoints that serve together. A group serves only while no endpoint of an earlier group can.

    Draining endpoints that serve do so in equal shares, because their former weight is not known. A draining backup
    never serves.
    """
    yield tuple(e for e in endpoints if e.weight and not e.backup)
    yield tuple(e for e in endpoints if e.weight and e.backup)
    if when_empty is ir.WhenEmpty.DRAINING:
        yield tuple(replace(e, weight=1) for e in endpoints if not e.weight and not e.backup)


#: Sets of nodes by name whose endpoints are preferred, the nearest first. None: all nodes.
_Nodes: TypeAlias = tuple[frozenset[str] | None, ...]
_EVERYWHERE: _Nodes = (None,)


class _Near:
    """The preferred nodes for each traffic policy.

    They are computed at the first use, because most services prefer none.
    """

    def __init__(self, program: ir.Program, node: ir.Node | None) -> None:
        self._program, self._node = program, node

    def nodes(self, traffic: ir.Traffic) -> _Nodes:
        return _EVERYWHERE if traffic is ir.Traffic.CLUSTER else self._preferred[traffic]

    @cached_property
    def _preferred(self) -> Mapping[ir.Traffic, _Nodes]:
        node = self._node
        here = frozenset[str]() if node is None else frozenset((node.name,))
        zone = None if node is None else node.zone
        around = frozenset(other.name for other in self._program.nodes if zone is not None and other.zone == zone)
        return {
            ir.Traffic.LOCAL: (here,),
            ir.Traffic.PREFER_LOCAL: (here, None),
            ir.Traffic.PREFER_ZONE: (here, around, None),
        }


class _Reach:
    """A service's endpoints and policies by family, computed once for all its frontends."""

    def __init__(self, service: ir.Service, near: _Near, pods: set[int]) -> None:
        self._service = service
        self._near = near
        self._pods = pods
        self._endpoints: dict[tuple[int, ir.Traffic], tuple[Endpoints, Endpoints]] = {}

    def frontend(self, port: ir.Port, kind: Kind, version: int, address: ir.Address | None) -> Frontend:
        service = self._service
        external = kind is not Kind.VIP
        traffic = service.external_traffic if external else service.internal_traffic
        endpoints, draining = self._split(version, traffic)
        restricted = external and bool(service.allow_from)
        return Frontend(
            service=service,
            port=port,
            kind=kind,
            version=version,
            address=address,
            ports=port.nodeport if kind is Kind.NODE_PORT and port.nodeport else port.ports,
            endpoints=endpoints,
            draining=draining,
            rewrite=self._rewrite(external, version),
            rewrite_from=self._rewrite_from(version),
            snat=self._snat(version),
            allow_from=tuple(n for n in service.allow_from if n.version == version) if restricted else (),
            restricted=restricted,
        )

    def _split(self, version: int, traffic: ir.Traffic) -> tuple[Endpoints, Endpoints]:
        """Return the endpoints for new connections, and those that only keep the connections they have."""
        known = self._endpoints.get((version, traffic))
        if known is None:
            here = self._service.endpoints
            kind = IPv4Address if version == 4 else IPv6Address
            own = [e for e in here if isinstance(e.address, kind)]
            if len(own) != len(here):
                here = tuple(own)
            near = self._near.nodes(traffic)
            if (most := near[-1]) is not None:
                here = tuple(e for e in here if e.node in most)
            plain = len(near) == 1 and not [e for e in here if e.backup or not e.weight]
            known = (here, ()) if plain else self._serving(here, near)
            self._endpoints[version, traffic] = known
        return known

    def _serving(self, here: Endpoints, near: _Nodes) -> tuple[Endpoints, Endpoints]:
        """Return the nearest endpoints of the first rank that has any, and all others with weight 0, whose connections
        go on.
        """
        for rank in ranks(here, self._service.when_empty):
            for nodes in near:
                serving = tuple(e for e in rank if nodes is None or e.node in nodes)
                if serving:
                    places = {(e.address, e.port) for e in serving}
                    others = (e for e in here if (e.address, e.port) not in places)
                    return serving, tuple(replace(e, weight=0) if e.weight else e for e in others)
        return (), here

    def _rewrite(self, external: bool, version: int) -> Rewrite:
        service = self._service
        if service.masquerade is ir.Masquerade.ALWAYS:
            return Rewrite.EVERYBODY
        if service.masquerade_from and service.forward is ir.Forward.MASQUERADE:
            own = [network for network in service.masquerade_from if network.version == version]
            if any(network.prefixlen == 0 for network in own):
                return Rewrite.EVERYBODY
            return Rewrite.NETWORKS if own else Rewrite.NOBODY
        if service.masquerade is ir.Masquerade.NEVER or service.forward is not ir.Forward.MASQUERADE:
            return Rewrite.NOBODY
        if external:
            return Rewrite.NOBODY if service.external_traffic is ir.Traffic.LOCAL else Rewrite.EVERYBODY
        return Rewrite.OUTSIDE_PODS if version in self._pods else Rewrite.NOBODY

    def _rewrite_from(self, version: int) -> tuple[ir.Network, ...]:
        return apart(self._service.masquerade_from, version) if self._service.masquerade_from else ()

    def _snat(self, version: int) -> tuple[ir.Address, ir.Address] | None:
        if not self._service.snat or self._service.forward is not ir.Forward.MASQUERADE:
            return None
        own = sorted((address for address in self._service.snat if address.version == version), key=int)
        return (own[0], own[-1]) if own else None


def apart(networks: tuple[ir.Network, ...], version: int) -> tuple[ir.Network, ...]:
    """Return the networks of a family in numeric order and without overlaps, which the kernel's sets of networks
    refuse.
    """
    if version == 4:
        return tuple(collapse_addresses(n for n in networks if isinstance(n, IPv4Network)))
    return tuple(collapse_addresses(n for n in networks if isinstance(n, IPv6Network)))
