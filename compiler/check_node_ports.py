"""Whether any local address can serve the node ports of a program, and whether they are taken for endpoints."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from ipaddress import IPv4Network
from typing import TypeAlias

from svcc.compiler import ir
from svcc.compiler.codes import Code
from svcc.compiler.diagnostic import Diagnostic, Severity, related
from svcc.compiler.frontends import node_port_versions
from svcc.compiler.read_addresses import numbers

#: A service's node ports, and the families in which it has them.
_Claim: TypeAlias = tuple[ir.Service, ir.Port, tuple[int, ...]]

_THIS_NETWORK = IPv4Network("0.0.0.0/8")  # RFC 1122 3.2.1.3


def check_node_port_addresses(program: ir.Program) -> Iterator[Diagnostic]:
    """Return warnings for networks without an address that can serve, and for services whose family has no network."""
    cluster = program.cluster
    for network in cluster.nodeport_addresses:
        if kind := _useless(network):
            statement = "nodeport-addresses"
            span = cluster.spans.get(f"{statement} {network}") or cluster.spans.get(statement)
            message = f"{statement} {network} is {kind}: no node port is served there"
            hint = "name networks of the machines' own addresses, or leave the statement out for all of these"
            yield Diagnostic(Code.NODEPORT_NOWHERE, message, span, hint, severity=Severity.WARNING)
    for service in program.services:
        for port in service.ports:
            if port.nodeport is not None and not node_port_versions(program, service):
                families = " and ".join(f"IPv{version}" for version in sorted(service.families))
                message = (
                    f"no address serves node port {port.nodeport}: service {service.name} has only {families} addresses"
                )
                hint = f"nodeport-addresses has no {families} network"
                span = port.spans.get("nodeport", port.span) or service.span
                yield Diagnostic(Code.NODEPORT_NOWHERE, message, span, hint, severity=Severity.WARNING)
    yield from _shared_without_node_ports(program)


def _shared_without_node_ports(program: ir.Program) -> Iterator[Diagnostic]:
    """Return a warning for each service with a shared address that may be the machine's own, where no node says so: the
    node ports that were served there would end with it. Who declares nodes of that family is taken to know."""
    declared = {address.version for node in program.nodes for address in node.addresses}
    served: dict[int, ir.Service] = {}  # by family, the first service with node ports there
    for service in program.services:
        if any(port.nodeport for port in service.ports):
            for version in node_port_versions(program, service):
                served.setdefault(version, service)
    networks = program.cluster.nodeport_addresses
    for service in program.services:
        found = [
            address
            for address in service.shared
            if address.version not in declared
            and address.version in served
            and (not networks or any(address in network for network in networks))
        ]
        if found:
            more = f" and {len(found) - 1} more" if len(found) > 1 else ""
            message = f"no node port is served at the shared {found[0]}{more}, which no node names as its own"
            hint = (
                f"if it is the machine's own: node NAME {{ address {found[0]} }}; "
                "else name the machine's networks in `nodeport-addresses`"
            )
            port = next(port for port in served[found[0].version].ports if port.nodeport)
            place = related("a node port", port.spans.get("nodeport", port.span))
            statement = "vip" if found[0] in service.vips else "external-ip"
            span = service.spans.get(f"{statement} {found[0]}", service.span)
            yield Diagnostic(Code.NODEPORT_NOWHERE, message, span, hint, place, severity=Severity.WARNING)


def check_node_ports_as_endpoints(program: ir.Program) -> Iterator[Diagnostic]:
    """Return warnings for endpoints that are node ports of a declared node. Another node sends packets there, and they
    are served. On the node itself they are for whoever listens there: the kernel translates a connection once."""
    networks = program.cluster.nodeport_addresses
    nodes = {
        address: node
        for node in program.nodes
        for address in node.addresses
        if not networks or any(address in network for network in networks)
    }
    own = frozenset(numbers(nodes))  # a sieve: hashing an address takes ten times as long as this comparison
    claims: Sequence[_Claim] | None = None
    for service in program.services:
        if own.isdisjoint(numbers([endpoint.address for endpoint in service.endpoints])):
            continue
        claims = _claims(program) if claims is None else claims
        for endpoint in service.endpoints:
            if endpoint.address in nodes:
                yield from _taken(service, endpoint, nodes, claims)


def _claims(program: ir.Program) -> Sequence[_Claim]:
    return [
        (service, port, node_port_versions(program, service))
        for service in program.services
        for port in service.ports
        if port.nodeport is not None
    ]


def _taken(
    service: ir.Service, endpoint: ir.Endpoint, nodes: Mapping[ir.Address, ir.Node], claims: Sequence[_Claim]
) -> Iterator[Diagnostic]:
    for port in service.ports:
        first = port.target if endpoint.port is None else endpoint.port
        targets = ir.PortRange(first, first + len(port.ports) - 1)
        for other, taken, versions in claims:
            ports = taken.nodeport
            if ports is None or taken.protocol is not port.protocol or endpoint.address.version not in versions:
                continue
            if ports.overlaps(targets):
                name = nodes[endpoint.address].name
                common = ir.PortRange(max(ports.first, targets.first), min(ports.last, targets.last))
                message = (
                    f"endpoint {endpoint.address} at port {common}/{port.protocol} is a node port of service "
                    f"{other.name}: on node {name} it leads to what listens there itself, as a connection is "
                    "translated once"
                )
                place = related("declared here", taken.spans.get("nodeport", taken.span))
                hint = f"name the endpoints of {other.name}, in a pool that both services share"
                hint = "endpoints serve at ports that are no node ports" if other is service else hint
                span = endpoint.span or service.span
                yield Diagnostic(Code.NODEPORT_AGAIN, message, span, hint, place, severity=Severity.WARNING)


def _useless(network: ir.Network) -> str:
    """Return what kind of network this is, where none of its addresses can be served, and "" for all others."""
    if network.is_loopback:
        return "loopback"
    if network.is_multicast:
        return "multicast"
    within = isinstance(network, IPv4Network) and network.subnet_of(_THIS_NETWORK)
    return "no network of hosts (RFC 1122)" if within else ""
