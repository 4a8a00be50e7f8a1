"""filter: TCP segments that connection tracking calls INVALID, of connections that nat may have translated.

Connection tracking does not say whose such a segment is (a late retransmission, outside the window), so nat does not
translate it: a client, or the node itself, sees a segment of an endpoint that it never talked to, answers it with a
reset, and the connection is over. The same happens the other way round, at a service address or node port. So what may
belong to a connection of ours is dropped.

Its addresses and ports alone say so. From endpoints: a target port of a service, from the endpoints' networks. To node
ports: the cluster's range of them, at an address that serves them. To service addresses: the walk through them, see
:mod:`svcc.targets.iptables.unserved`. Of the first two a segment with SYN or RST passes: a reset is never answered with
a reset, and an endpoint's SYN-ACK is INVALID too where its client's SYN came by another way (what follows is not, see
nf_conntrack_tcp_loose).
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Network, IPv6Network
from itertools import count, groupby

from svcc.compiler import ir
from svcc.compiler.frontends import Frontend
from svcc.kernel.xtables.objects import DROP, Chain, CtState, Flags, FromPorts, Jump, Match, Proto, Rule, ToLocal, from_
from svcc.targets.iptables.dispatch import FEW, STEP
from svcc.targets.iptables.names import Names

INVALID = CtState(("INVALID",))
#: The length of the networks that stand for endpoints outside the pod networks, while there are few.
_LENGTH = {4: 24, 6: 64}


def entry(names: Names) -> Rule:
    """The rule that leads to :func:`chains`; what it does not drop there comes back."""
    return Rule((Proto(ir.Protocol.TCP), Flags(("SYN", "RST")), INVALID), Jump(names.invalid))


def chains(
    cluster: ir.Cluster,
    names: Names,
    frontends: Iterable[Frontend],
    before: Iterable[Rule],
    places: Iterable[tuple[Match, ...]],
    version: int,
) -> list[Chain]:
    """The chains, each after those that it leads to; none where no TCP port is served.

    ``places``: what matches the addresses that serve node ports, each by itself, behind the rules of ``before``.
    """
    tcp = [f for f in frontends if f.port.protocol is ir.Protocol.TCP and (f.endpoints or f.draining)]
    if not tcp:
        return []
    sent = [Rule((FromPorts(ir.Protocol.TCP, ports),), DROP) for ports in _target_ports(tcp)]
    rules = [Rule(from_(network), Jump(names.endpoints)) for network in _sources(cluster, tcp, version)]
    if any(f.address is None for f in tcp):
        ports = Proto(ir.Protocol.TCP, cluster.nodeports)
        rules += [*before, *(Rule((*place, ports, ToLocal()), DROP) for place in places)]
    return [Chain(names.endpoints, tuple(sent)), Chain(names.invalid, tuple(rules))]


def _target_ports(frontends: Iterable[Frontend]) -> list[ir.PortRange]:
    """The ports that endpoints send from: of each service those that are in a row as one range, and each range once."""
    found: set[ir.PortRange] = set()
    for _, group in groupby(frontends, key=lambda f: id(f.service)):
        ports: set[int] = set()
        for f in group:
            for own in {endpoint.port for endpoint in (*f.endpoints, *f.draining)}:
                first = f.port.target if own is None else own
                ports.update(range(first, first + len(f.ports)))
        found |= {ir.PortRange(port, _last(ports, port)) for port in ports if port - 1 not in ports}
    return sorted(found)


def _last(ports: set[int], first: int) -> int:
    return next(port for port in count(first) if port + 1 not in ports)


def _sources(cluster: ir.Cluster, frontends: Iterable[Frontend], version: int) -> list[ir.Network]:
    """The pod networks, if all endpoints are there; else few networks, as small as that allows, for the others too."""
    pods = [network for network in cluster.pods if network.version == version]
    lists = {id(found): found for f in frontends for found in (f.endpoints, f.draining)}
    addresses = {endpoint.address for found in lists.values() for endpoint in found}
    for network in pods:
        first, last = int(network.network_address), int(network.broadcast_address)
        addresses = {address for address in addresses if not first <= int(address) <= last}
    return [*pods, *_around(addresses, version)]


def _around(addresses: Iterable[ir.Address], version: int) -> list[ir.Network]:
    bits = 32 if version == 4 else 128
    numbers = {int(address) for address in addresses}
    for length in range(_LENGTH[version], -1, -STEP):
        heads = sorted({number >> (bits - length) for number in numbers})
        if len(heads) <= FEW:
            break
    network = IPv4Network if version == 4 else IPv6Network
    return [network((head << (bits - length), length)) for head in heads]
