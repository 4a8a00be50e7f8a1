"""Plans what a lab for a program consists of: hosts, addresses and listeners. It builds nothing.

::

    pods 100.64.0.9, 100.64.0.19, …      client   stranger   peer
         |            |                     |         |        |
      ---+------------+--- custom-cni    ---+---------+--------+--- lan (in ``outside``, a router)
                     |                                |
                   gateway -------- node ---------- eth0

Every host has single addresses (/32, /128) and a default route to the node, so whatever it sends crosses the node's IP
layer, replies between two pods included, with or without br_netfilter. The node has a route to each address and a
default route to the router, which answers everything else with "unreachable".
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network
from itertools import islice, product

from svcc.compiler import ir

NODE = "node"
OUTSIDE = "outside"
CLIENT = "client"
STRANGER = "stranger"
PEER = "peer"

#: Where the lab takes addresses that the program does not give: the first /24 or /64 in these networks that does not
#: overlap the program's addresses and networks.
_SPARE: Mapping[int, tuple[ir.Network, ...]] = {
    4: tuple(ip_network(n) for n in ("172.24.0.0/16", "192.168.128.0/17", "10.213.0.0/16", "203.0.113.0/24")),
    6: tuple(ip_network(n) for n in ("fd5c:1ab::/48", "2001:db8:1ab::/48")),
}
_SPARE_LENGTH = {4: 24, 6: 64}

#: How many addresses at the end of a network are tried to find a free one.
_CANDIDATES = 1024
#: The most ports of a range that all get servers: each takes a socket on each endpoint.
_ALL_PORTS = 1024


@dataclass(frozen=True, slots=True)
class LabHost:
    """A host of the lab, in a namespace of its own: a pod, a client or the peer. The node is not one."""

    name: str
    addresses: tuple[ir.Address, ...]
    pod: bool  # it is on the pods' bridge, not outside
    # addresses on its loopback device, to which direct routing and tunnels deliver packets unchanged
    vips: tuple[ir.Address, ...] = ()
    tunnel: bool = False  # it unpacks IP-in-IP


@dataclass(frozen=True, slots=True)
class Listener:
    """A server: a port of one host, at one address, or at all addresses of one family (``0.0.0.0``, ``::``)."""

    where: str
    name: str  # the name with which it answers
    protocol: ir.Protocol
    address: ir.Address
    port: int
    early: bool = False  # rules that are loaded later make the address one of the host's


@dataclass(frozen=True, slots=True)
class Layout:
    """The hosts of a lab with their addresses, and what listens on them."""

    node: ir.Node  # the chosen node, or a default one, with at least one address of each family
    gateways: tuple[ir.Address, ...]  # the node's addresses on the pods' bridge, v4 and v6
    held: tuple[ir.Address, ...]  # service addresses that somebody else gave the node; they are on its loopback device
    routers: tuple[ir.Address, ...]  # the addresses of ``outside``, v4 and v6
    hosts: tuple[LabHost, ...]
    listeners: tuple[Listener, ...]
    places: Mapping[ir.Address, str] = field(repr=False)  # the host of every address

    @property
    def pods(self) -> tuple[LabHost, ...]:
        """The hosts on the pods' bridge."""
        return tuple(host for host in self.hosts if host.pod)

    @property
    def titles(self) -> Mapping[str, str]:
        """What people call each host: pods are pod-1, pod-2, … in the order of their addresses, IPv4 first."""
        pods = sorted(self.pods, key=lambda host: (host.addresses[0].version, int(host.addresses[0])))
        others = (NODE, OUTSIDE, *(host.name for host in self.hosts if not host.pod))
        return {name: name for name in others} | {host.name: f"pod-{n}" for n, host in enumerate(pods, 1)}


def plan(
    program: ir.Program, node: ir.Node | None, clients: Mapping[str, tuple[ir.Address, ...]] | None = None
) -> Layout:
    """Lay out the lab of a program as seen from ``node``.

    There is always a ``client``, inside the services' allow-from networks where the first of these allows it, a
    ``stranger``, outside all of these networks, and a ``peer``, which is another node of the program where it has one.
    All three are outside the pod networks. ``clients`` adds more, or replaces the addresses of these.
    """
    addresses = _Addresses(program)
    nodes = _nodes(program, node, addresses)
    gateways, routers = addresses.spare_pair(), addresses.spare_pair()
    outside = {CLIENT: addresses.admitted_pair(), STRANGER: addresses.spare_pair(), PEER: nodes[1].addresses}
    outside |= clients or {}
    places = dict.fromkeys(nodes[0].addresses, NODE)
    places |= {address: name for name, own in outside.items() for address in own}
    pods = [a for a in _endpoint_addresses(program) if a not in places]
    places |= {address: str(address) for address in pods}
    vips, tunnels = _direct(program), _tunnels(program)
    hosts = [LabHost(str(a), (a,), pod=True, vips=vips.get(a, ()), tunnel=a in tunnels) for a in pods]
    hosts += [LabHost(name, own, pod=False) for name, own in outside.items()]
    held = tuple(a for a in program.held_by_others if a not in nodes[0].addresses)
    return Layout(nodes[0], gateways, held, routers, tuple(hosts), tuple(_listeners(program, places)), places)


class _Addresses:
    """Finds addresses that mean nothing to the program."""

    def __init__(self, program: ir.Program) -> None:
        self._program = program
        self._taken = set(_known_addresses(program))
        self._pods = program.cluster.pods
        self._allowed = tuple(dict.fromkeys(n for s in program.services for n in s.allow_from))
        cluster = program.cluster
        self._known = (*self._pods, *self._allowed, *cluster.services, *cluster.nodeport_addresses)
        self._spare = {version: self._first_spare(version) for version in (4, 6)}

    def spare_pair(self) -> tuple[ir.Address, ...]:
        """Return a v4 and a v6 address that are in none of the program's networks."""
        return tuple(self._take(iter(self._spare[version])) for version in (4, 6))

    def admitted_pair(self) -> tuple[ir.Address, ...]:
        """Return a v4 and a v6 address in the program's first allow-from networks, or else spare ones."""
        return tuple(self._inside(self._allowed, version) for version in (4, 6))

    def serving(self, version: int) -> ir.Address:
        """Return an address that serves node ports."""
        return self._inside(self._program.cluster.nodeport_addresses, version)

    def _inside(self, networks: tuple[ir.Network, ...], version: int) -> ir.Address:
        for network in networks:
            if network.version == version:
                for address in self._free(islice(_from_the_end(network), _CANDIDATES)):
                    if _can_be_a_host(address) and not any(address in pods for pods in self._pods):
                        self._taken.add(address)
                        return address
        return self._take(iter(self._spare[version]))

    def _take(self, candidates: Iterator[ir.Address]) -> ir.Address:
        address = next(self._free(islice(candidates, 1, None)))
        self._taken.add(address)
        return address

    def _free(self, candidates: Iterable[ir.Address]) -> Iterator[ir.Address]:
        return (address for address in candidates if address not in self._taken)

    def _first_spare(self, version: int) -> ir.Network:
        known = [(int(n[0]), int(n[-1])) for n in self._known if n.version == version]
        known += [(int(a), int(a)) for a in self._taken if a.version == version]
        for network in _spare_networks(version):
            if not any(first <= int(network[-1]) and last >= int(network[0]) for first, last in known):
                return network
        return next(_spare_networks(version))  # the program's networks cover everything: 0.0.0.0/0


def _can_be_a_host(address: ir.Address) -> bool:
    """Whether a host can have the address. Networks as wide as ``::/0`` end in addresses that no host can have."""
    return not (address.is_multicast or address.is_reserved or address.is_loopback or address.is_link_local)


def _spare_networks(version: int) -> Iterator[ir.Network]:
    for spare in _SPARE[version]:
        yield from islice(spare.subnets(new_prefix=_SPARE_LENGTH[version]), 64)


def _from_the_end(network: ir.Network) -> Iterator[ir.Address]:
    """Yield the addresses of a network from its end, without its first and last one (network and broadcast)."""
    first, last = int(network.network_address), int(network.broadcast_address)
    inner = range(last - 1, first, -1) if last - first > 1 else range(last, first - 1, -1)
    return (type(network.network_address)(number) for number in inner)


def _known_addresses(program: ir.Program) -> Iterator[ir.Address]:
    for service in program.services:
        yield from service.vips
        yield from service.external_ips
    yield from _endpoint_addresses(program)
    for node in program.nodes:
        yield from node.addresses


def _endpoint_addresses(program: ir.Program) -> Iterator[ir.Address]:
    """Yield each endpoint's address once, in the program's order."""
    yield from dict.fromkeys(endpoint.address for service in program.services for endpoint in service.endpoints)


def _nodes(program: ir.Program, node: ir.Node | None, addresses: _Addresses) -> tuple[ir.Node, ir.Node]:
    """Return the node and its peer, each with an address in both families."""
    others = [other for other in program.nodes if node is None or other.name != node.name]
    wanted = (node or ir.Node(NODE, ()), others[0] if node is not None and others else ir.Node(PEER, ()))
    return _completed(wanted[0], addresses), _completed(wanted[1], addresses)


def _completed(node: ir.Node, addresses: _Addresses) -> ir.Node:
    versions = {address.version for address in node.addresses}
    more = tuple(addresses.serving(version) for version in (4, 6) if version not in versions)
    return ir.Node(node.name, node.addresses + more, node.zone)


def _direct(program: ir.Program) -> dict[ir.Address, tuple[ir.Address, ...]]:
    """Return the vips that a pod needs as its own, because direct routing and tunnels do not change the destination."""
    found: dict[ir.Address, dict[ir.Address, None]] = {}
    for service in program.services:
        if service.forward is ir.Forward.MASQUERADE:
            continue
        for endpoint in service.endpoints:
            own = found.setdefault(endpoint.address, {})
            own |= {a: None for a in (*service.vips, *service.external_ips) if a.version == endpoint.address.version}
    return {address: tuple(own) for address, own in found.items()}


def _tunnels(program: ir.Program) -> set[ir.Address]:
    tunnelled = (service for service in program.services if service.forward is ir.Forward.TUNNEL)
    return {endpoint.address for service in tunnelled for endpoint in service.endpoints}


def _listeners(program: ir.Program, places: Mapping[ir.Address, str]) -> Iterator[Listener]:
    """Yield a server for every port of every endpoint, where packets for it arrive: on a pod at any address; elsewhere
    at the endpoint's very address; on the node, where packets reach it unchanged, at the service's addresses. A range
    of many ports gets servers at its first and last port only.
    """
    seen: set[tuple[str, ir.Address, ir.Protocol, int]] = set()
    for service in program.services:
        for endpoint in service.endpoints:
            for port in service.ports:
                first = port.target if endpoint.port is None else endpoint.port
                last = first + len(port.ports) - 1
                numbers = (first, last) if len(port.ports) > _ALL_PORTS else range(first, last + 1)
                for number, bound in product(numbers, _bound(service, endpoint.address, places)):
                    key = (places[endpoint.address], bound, port.protocol, number)
                    if key not in seen:
                        seen.add(key)
                        early = bound in service.addresses
                        yield Listener(key[0], str(endpoint.address), port.protocol, bound, number, early)


def _bound(service: ir.Service, endpoint: ir.Address, places: Mapping[ir.Address, str]) -> tuple[ir.Address, ...]:
    """Return the addresses to which an endpoint's servers for a service are bound."""
    if places[endpoint] == str(endpoint):
        return (ip_address("0.0.0.0" if endpoint.version == 4 else "::"),)
    if places[endpoint] == NODE and service.forward is not ir.Forward.MASQUERADE:
        return tuple(address for address in service.addresses if address.version == endpoint.version)
    return (endpoint,)
