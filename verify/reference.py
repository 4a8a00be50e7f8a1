"""The reference: what a program means for one packet, as a function of the IR.

It is written from the language's rules, and not from the code that derives rules: it shares nothing with the compiler
but the IR, so that targets, traces and real packets can all be compared with it. It asks no kernel and is not fast.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from ipaddress import ip_network

from svcc.compiler import ir
from svcc.verify.packet import EndpointShare, Forwarded, Outcome, Packet, Portless, Refusal

#: Schedulers that give every endpoint (except those of weight 0) the same share whatever its weight. All others follow
#: the weights; those that follow the load or hash do so in the long run and over many clients.
_EVEN = frozenset({ir.Scheduler.RR, ir.Scheduler.LC, ir.Scheduler.DH})


@dataclass(frozen=True, slots=True)
class _Entry:
    """How a packet reaches a service."""

    service: ir.Service
    port: ir.Port
    offset: int  # the offset of the packet's port in the declared range
    external: bool  # it reaches the service by an external-ip or a node port


def outcome(program: ir.Program, node: ir.Node | None, packet: Packet) -> Outcome:
    """Return what happens to the first packet of a connection that arrives on ``node``, or that ``node`` sends.

    Without a node, local addresses and the node's own endpoints are unknown: there are no node ports, ``traffic …
    local`` has no endpoints, and none is preferred.
    """
    if isinstance(packet.protocol, Portless):
        return Refusal.UNTOUCHED
    entry = _by_address(program, packet) or _by_node_port(program, node, packet)
    if entry is None:
        return Refusal.REJECT if _is_ours(program, packet.destination) else Refusal.UNTOUCHED
    if entry.external and not _allowed(entry.service, packet.source):
        return Refusal.DROP
    endpoints = _eligible(program, entry, node, packet.destination.version)
    if not endpoints:
        return Refusal.DROP if entry.service.when_empty is ir.WhenEmpty.DROP else Refusal.REJECT
    choices = _choices(program, node, entry, endpoints, packet)
    return Forwarded(choices, entry.service.affinity, entry.service.one_packet)


def keeps(program: ir.Program, node: ir.Node | None, packet: Packet, later: Packet) -> bool:
    """Whether a client's ``later`` packet goes to the endpoint that its ``packet`` got, whatever port and address of
    the service the two are for. Both are forwarded.
    """
    first, second = (_by_address(program, one) or _by_node_port(program, node, one) for one in (packet, later))
    if first is None or second is None or first.service is not second.service or not first.service.affinity_per_service:
        return False
    alike = packet.destination.version == later.destination.version and _client(first.service, packet) == _client(
        first.service, later
    )
    return alike and first.service.affinity is not None


def _client(service: ir.Service, packet: Packet) -> ir.Network:
    """Return what affinity counts as one client."""
    length = service.affinity_networks[packet.source.version == 6]
    return ip_network((packet.source, length), strict=False)


# ---- which service


def _by_address(program: ir.Program, packet: Packet) -> _Entry | None:
    """Return the service of a packet to a vip or external-ip, at a port that the service declares.

    Return None for other packets.
    """
    for service in program.services:
        for port in service.ports:
            if port.protocol is packet.protocol and packet.port in port.ports:
                offset = packet.port - port.ports.first
                if packet.destination in service.vips:
                    return _Entry(service, port, offset, external=False)
                if packet.destination in service.external_ips:
                    return _Entry(service, port, offset, external=True)
    return None


def _is_ours(program: ir.Program, address: ir.Address) -> bool:
    """Whether the address is only for services: traffic to its undeclared ports must not reach the host's own. So is an
    address that no service has, in the networks of service addresses.
    """
    having = [service for service in program.services if address in service.addresses]
    if having:
        return any(address not in service.shared for service in having)
    return any(address in network for network in program.cluster.services)


def _by_node_port(program: ir.Program, node: ir.Node | None, packet: Packet) -> _Entry | None:
    """Return the service of a packet to a node port, at an address of the node that serves node ports.

    Return None for other packets.
    """
    if node is None or packet.destination not in node.addresses or not _serves(program, packet.destination):
        return None
    for service in program.services:
        for port in service.ports:
            if port.nodeport is None or port.protocol is not packet.protocol or packet.port not in port.nodeport:
                continue
            if _speaks(service, packet.destination.version):
                return _Entry(service, port, packet.port - port.nodeport.first, external=True)
    return None


def _serves(program: ir.Program, address: ir.Address) -> bool:
    """Whether an address of the node serves node ports: every address does unless the cluster names some; loopback
    never does.
    """
    networks = program.cluster.nodeport_addresses
    return not address.is_loopback and (not networks or any(address in network for network in networks))


def _speaks(service: ir.Service, version: int) -> bool:
    """Whether a service has node ports in a family: in those of its addresses and endpoints, or in both if it has
    neither.
    """
    own = {a.version for a in (*service.vips, *service.external_ips, *(e.address for e in service.endpoints))}
    return not own or version in own


# ---- who may, and where to


def _allowed(service: ir.Service, source: ir.Address) -> bool:
    return not service.allow_from or any(source in network for network in service.allow_from)


def _eligible(program: ir.Program, entry: _Entry, node: ir.Node | None, version: int) -> list[ir.Endpoint]:
    """Return the endpoints of the packet's family that serve: those that may, and before which no other comes."""
    service = entry.service
    traffic = service.external_traffic if entry.external else service.internal_traffic
    found: dict[tuple[int, int], list[ir.Endpoint]] = {}
    for endpoint in service.endpoints:
        if endpoint.address.version != version:
            continue
        if endpoint.draining and (endpoint.backup or service.when_empty is not ir.WhenEmpty.DRAINING):
            continue
        if traffic is ir.Traffic.LOCAL and _distance(program, node, endpoint) > 0:
            continue
        found.setdefault(_turn(program, node, traffic, endpoint), []).append(endpoint)
    return found[min(found)] if found else []


def _turn(program: ir.Program, node: ir.Node | None, traffic: ir.Traffic, endpoint: ir.Endpoint) -> tuple[int, int]:
    """Return when an endpoint serves: only while no endpoint has a smaller value. A backup comes after all endpoints
    that are none, wherever they are, and a draining endpoint after every backup.
    """
    rank = 2 if endpoint.draining else 1 if endpoint.backup else 0
    distance = _distance(program, node, endpoint)
    match traffic:
        case ir.Traffic.PREFER_ZONE:
            return rank, distance
        case ir.Traffic.PREFER_LOCAL:
            return rank, min(distance, 1)
        case _:
            return rank, 0


def _distance(program: ir.Program, node: ir.Node | None, endpoint: ir.Endpoint) -> int:
    """Return 0 on this node, 1 on another node of its zone, 2 elsewhere or where that is unknown."""
    if node is None or endpoint.node is None:
        return 2
    if endpoint.node == node.name:
        return 0
    there = program.node(endpoint.node)
    return 1 if node.zone is not None and there is not None and there.zone == node.zone else 2


def _choices(
    program: ir.Program, node: ir.Node | None, entry: _Entry, endpoints: Sequence[ir.Endpoint], packet: Packet
) -> tuple[EndpointShare, ...]:
    found: dict[tuple[ir.Address, int], Fraction] = {}
    most: dict[tuple[ir.Address, int], int] = {}
    for endpoint, share in _shares(entry.service.scheduler, endpoints):
        first = entry.port.target if endpoint.port is None else endpoint.port
        place = (endpoint.address, first + entry.offset)
        found[place] = found.get(place, Fraction(0)) + share
        most[place] = endpoint.max_connections or 0
    own = node.addresses if node else ()
    sources = _sources(entry.service, packet.destination.version)
    choices: list[EndpointShare] = []
    for (address, port), share in sorted(found.items()):
        masquerade = address not in own and _masqueraded(program, entry, packet.source, address)
        choices.append(
            EndpointShare(address, port, share, masquerade, most[address, port], sources if masquerade else ())
        )
    return tuple(choices)


def _sources(service: ir.Service, version: int) -> tuple[ir.Address, ...]:
    """Return the first and the last address that replace a source; none: the machine's own."""
    own = [address for address in service.snat if address.version == version]
    return (min(own, key=int), max(own, key=int)) if own else ()


def _shares(scheduler: ir.Scheduler | None, endpoints: Sequence[ir.Endpoint]) -> Iterator[tuple[ir.Endpoint, Fraction]]:
    """Yield the endpoints that get new connections while all are well, each with its share."""
    weights = [1 if scheduler in _EVEN or endpoint.draining else endpoint.weight for endpoint in endpoints]
    if scheduler is ir.Scheduler.FO:  # failover: only to the highest weight
        weights = [int(weight == max(weights)) for weight in weights]
    for endpoint, weight in zip(endpoints, weights, strict=True):
        if weight:
            yield endpoint, Fraction(weight, sum(weights))


def _masqueraded(program: ir.Program, entry: _Entry, source: ir.Address, endpoint: ir.Address) -> bool:
    """Whether an endpoint on another machine sees the node's address as the source, because its reply would not pass
    the node otherwise.

    An endpoint on the node itself never does: the packet is delivered unchanged, and the reply passes the node.
    """
    service = entry.service
    if service.masquerade is ir.Masquerade.ALWAYS:
        return True
    if service.forward is not ir.Forward.MASQUERADE:  # the packet stays as it is, and so does its reply
        return False
    if source == endpoint:  # hairpin
        return True
    if service.masquerade_from:
        return any(source in network for network in service.masquerade_from)
    if service.masquerade is ir.Masquerade.NEVER:
        return False
    if entry.external:
        return service.external_traffic is not ir.Traffic.LOCAL
    pods = [network for network in program.cluster.pods if network.version == source.version]
    return bool(pods) and not any(source in network for network in pods)
