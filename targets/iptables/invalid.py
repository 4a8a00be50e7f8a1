"""The filter table's chains for TCP segments that connection tracking calls INVALID, of connections that nat may have
translated.

Connection tracking assigns such a segment (a late retransmission, outside the window) to no connection, so nat does not
translate it: a client, or the node itself, sees a segment of an endpoint that it never talked to, answers it with a
reset, and the connection is over. The same happens the other way round, at a service address or node port. So svcc
drops what may belong to one of its connections.

Only addresses and ports can tell. From endpoints: a source port that is a target port of a service, from the endpoints'
networks. To node ports: the cluster's range, at an address that serves node ports. To service addresses: the walk
through them, see :mod:`svcc.targets.iptables.unserved`. Of the first two kinds, segments with SYN or RST pass: nobody
answers a reset with a reset, and an endpoint's SYN-ACK is INVALID too where its client's SYN took another way (later
segments are not, see nf_conntrack_tcp_loose).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network
from itertools import count

from svcc.compiler import ir
from svcc.compiler.frontends import Frontend
from svcc.kernel.xtables.matches import CtState, Flags, FromPorts, Match, Proto, ToLocal, from_
from svcc.kernel.xtables.script import Chain, Rule
from svcc.kernel.xtables.verdicts import DROP, Jump
from svcc.targets.iptables.names import Names
from svcc.targets.iptables.prefixes import FEW, STEP

INVALID = CtState(("INVALID",))
#: The prefix length of the networks that stand for endpoints outside the pod networks, while these networks are few.
_LENGTH = {4: 24, 6: 64}


def entry(names: Names) -> Rule:
    """Return the rule that leads to :func:`chains`. What those do not drop comes back."""
    return Rule((Proto(ir.Protocol.TCP), Flags(("SYN", "RST")), INVALID), Jump(names.invalid))


@dataclass(frozen=True, slots=True)
class Segments:
    """What identifies TCP segments that may belong to one service's connections, in one family."""

    ports: frozenset[ir.PortRange] = frozenset()  # the ports from which its endpoints send
    # the addresses of its endpoints, as far as they are outside the pod networks
    endpoints: frozenset[int] = frozenset()
    tcp: bool = False  # whether any TCP port is served
    at_node: bool = False  # whether any of these is a node port


def segments(cluster: ir.Cluster, frontends: Iterable[Frontend], version: int) -> Segments:
    """Return the segments of one service's frontends."""
    tcp = [f for f in frontends if f.port.protocol is ir.Protocol.TCP and (f.endpoints or f.draining)]
    if not tcp:
        return Segments()
    return Segments(_target_ports(tcp), _outside(cluster, tcp, version), True, any(f.address is None for f in tcp))


def chains(
    names: Names,
    ports: Iterable[ir.PortRange],
    networks: Iterable[ir.Network],
    node_ports: Iterable[Rule],
) -> list[Chain]:
    """Return the chains, each after those that it leads to.

    ``networks``: of endpoints; ``node_ports``: the rules of :func:`at_node`.
    """
    sent = [Rule((FromPorts(ir.Protocol.TCP, found),), DROP) for found in sorted(ports)]
    rules = [Rule(from_(network), Jump(names.endpoints)) for network in networks]
    return [Chain(names.endpoints, tuple(sent)), Chain(names.invalid, (*rules, *node_ports))]


def at_node(cluster: ir.Cluster, before: Iterable[Rule], places: Iterable[tuple[Match, ...]]) -> list[Rule]:
    """Return the rules for segments to node ports. ``places``: alternative matches for the addresses that serve node
    ports. ``before``: rules that have to come first.
    """
    ports = Proto(ir.Protocol.TCP, cluster.nodeports)
    return [*before, *(Rule((*place, ports, ToLocal()), DROP) for place in places)]


def _target_ports(frontends: Iterable[Frontend]) -> frozenset[ir.PortRange]:
    """Return the ports from which the endpoints of a service send. Consecutive ports are one range."""
    ports: set[int] = set()
    for f in frontends:
        for own in {endpoint.port for found in (f.endpoints, f.draining) for endpoint in found}:
            first = f.port.target if own is None else own
            ports.update(range(first, first + len(f.ports)))
    return frozenset(ir.PortRange(port, _last(ports, port)) for port in ports if port - 1 not in ports)


def _last(ports: set[int], first: int) -> int:
    return next(port for port in count(first) if port + 1 not in ports)


def _outside(cluster: ir.Cluster, frontends: Iterable[Frontend], version: int) -> frozenset[int]:
    pods = [
        (int(network.network_address), int(network.broadcast_address))
        for network in cluster.pods
        if network.version == version
    ]
    lists = {id(found): found for f in frontends for found in (f.endpoints, f.draining)}
    numbers = [int(endpoint.address) for found in lists.values() for endpoint in found]
    lowest, highest = min(numbers), max(numbers)
    if any(first <= lowest and highest <= last for first, last in pods):
        return frozenset()  # almost all services have none
    for first, last in pods:
        numbers = [number for number in numbers if not first <= number <= last]
    return frozenset(numbers)


def head(address: int, version: int) -> int:
    """Return the first bits of an endpoint's address, by which endpoints outside the pod networks are grouped."""
    return address >> ((32 if version == 4 else 128) - _LENGTH[version])


def sources(cluster: ir.Cluster, heads: Iterable[int], version: int) -> list[ir.Network]:
    """Return the pod networks, and few networks, as small as possible, that hold the endpoints outside of them.

    ``heads``: of these endpoints, from :func:`head`.
    """
    pods = [network for network in cluster.pods if network.version == version]
    return [*pods, *_around(set(heads), version)]


def _around(heads: set[int], version: int) -> list[ir.Network]:
    bits = 32 if version == 4 else 128
    for length in range(_LENGTH[version], -1, -STEP):
        found = sorted({number >> (_LENGTH[version] - length) for number in heads})
        if len(found) <= FEW:
            break
    network = IPv4Network if version == 4 else IPv6Network
    return [network((number << (bits - length), length)) for number in found]
