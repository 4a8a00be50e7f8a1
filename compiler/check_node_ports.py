"""Whether any local address can serve the node ports of a program."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Network

from svcc.compiler import ir
from svcc.compiler.codes import Code
from svcc.compiler.diagnostic import Diagnostic, Severity, related
from svcc.compiler.frontends import node_port_versions

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


def _useless(network: ir.Network) -> str:
    """Return what kind of network this is, where none of its addresses can be served, and "" for all others."""
    if network.is_loopback:
        return "loopback"
    if network.is_multicast:
        return "multicast"
    within = isinstance(network, IPv4Network) and network.subnet_of(_THIS_NETWORK)
    return "no network of hosts (RFC 1122)" if within else ""
