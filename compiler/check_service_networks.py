"""Checks of the networks of service addresses (``services``): nothing else lives in them, and vips lie in them."""

from __future__ import annotations

from collections.abc import Iterator

from svcc.compiler import ir
from svcc.compiler.address_kinds import unable
from svcc.compiler.codes import Code
from svcc.compiler.diagnostic import Diagnostic, Severity, related
from svcc.compiler.source import Span


def check_service_networks(program: ir.Program) -> Iterator[Diagnostic]:
    """Return an error for other machines in ``services``: addresses there that no service has are rejected."""
    if not program.cluster.services:
        return
    for network in program.cluster.services:
        if network.prefixlen == 0:
            message = f"services {network} covers all addresses, not only those of services"
            hint = "name networks that hold only service addresses"
            yield Diagnostic(Code.NETWORK, message, _span(program.cluster, "services", network), hint)
    yield from _pods_inside(program.cluster)
    yield from _hosts_inside(program)
    yield from _vips_outside(program)


def _network_of(cluster: ir.Cluster, address: ir.Address) -> ir.Network | None:
    return next((network for network in cluster.services if address in network), None)


def _span(cluster: ir.Cluster, statement: str, network: ir.Network) -> Span | None:
    return cluster.spans.get(f"{statement} {network}") or cluster.spans.get(statement)


def _pods_inside(cluster: ir.Cluster) -> Iterator[Diagnostic]:
    for network in cluster.services:
        for pods in cluster.pods:
            if pods.version == network.version and pods.overlaps(network):
                span = _span(cluster, "pods", pods)
                yield Diagnostic(
                    Code.ADDRESS_ROLE,
                    f"services {network} and pods {pods} have addresses in common: nobody could reach these pods",
                    _span(cluster, "services", network),
                    "name networks that hold only service addresses",
                    related("the pods are declared here", span),
                )


def _hosts_inside(program: ir.Program) -> Iterator[Diagnostic]:
    shared = {address for service in program.services for address in service.shared}
    hosts: dict[ir.Address, tuple[str, Span | None]] = {}
    for node in program.nodes:
        for address in node.addresses:
            if address not in shared:
                hosts[address] = f"an address of node {node.name}", node.spans.get(f"address {address}", node.span)
    for service in program.services:
        for endpoint in service.endpoints:
            hosts.setdefault(endpoint.address, (f"an endpoint of {service.name}", endpoint.span or service.span))
    for address, (role, span) in hosts.items():
        network = _network_of(program.cluster, address)
        if network is not None:
            where = _span(program.cluster, "services", network)
            message = f"{address} is {role}, and in services {network}: nobody could reach it"
            hint = "packets to an address in `services` that no service has are rejected"
            yield Diagnostic(Code.ADDRESS_ROLE, message, span, hint, related("declared here", where))


def _vips_outside(program: ir.Program) -> Iterator[Diagnostic]:
    """Return what is wrong with vips outside these networks, where their family has any."""
    versions = {network.version for network in program.cluster.services}
    for service in program.services:
        for vip in service.vips:
            if vip.version in versions and _network_of(program.cluster, vip) is None and unable(vip) is None:
                message = f"vip {vip} of service {service.name} is in none of the networks of `services`"
                span = service.spans.get(f"vip {vip}", service.span)
                where = program.cluster.spans.get("services")
                place = related("declared here", where)
                hint = "add its network, or choose another vip"
                yield Diagnostic(Code.OUTSIDE_SERVICES, message, span, hint, place, severity=Severity.WARNING)
