"""Whether any local address can serve the node ports of a program."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Network

from svcc.compiler import ir
from svcc.compiler.codes import Code
from svcc.compiler.diagnostic import Diagnostic, Severity
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


def _useless(network: ir.Network) -> str:
    """Return what kind of network this is, where none of its addresses can be served, and "" for all others."""
    if network.is_loopback:
        return "loopback"
    if network.is_multicast:
        return "multicast"
    within = isinstance(network, IPv4Network) and network.subnet_of(_THIS_NETWORK)
    return "no network of hosts (RFC 1122)" if within else ""
