"""Checks of the finished IR, wherever it came from. They find what the kernel would refuse otherwise."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from svcc.compiler import ir
from svcc.compiler.address_kinds import unable
from svcc.compiler.check_addresses import check_addresses
from svcc.compiler.check_affinity import check_affinity
from svcc.compiler.check_balancers import check_balancers
from svcc.compiler.check_effects import check_effects
from svcc.compiler.check_health import check_health
from svcc.compiler.check_node_ports import check_node_port_addresses, check_node_ports_as_endpoints
from svcc.compiler.check_ports import check_ports
from svcc.compiler.check_service_networks import check_service_networks
from svcc.compiler.check_snat import check_snat
from svcc.compiler.check_turns import check_turns
from svcc.compiler.codes import Code
from svcc.compiler.diagnostic import Diagnostic, Severity, related
from svcc.compiler.prefix import is_taken
from svcc.compiler.read_addresses import numbers, versions
from svcc.compiler.source import reading_place
from svcc.compiler.values import MAX_PORT


def check(program: ir.Program) -> Iterator[Diagnostic]:
    """Return everything that is wrong with a program, and (as warnings) what is likely a mistake."""
    program = replace(
        program,
        nodes=tuple(sorted(program.nodes, key=_place)),
        services=tuple(sorted(program.services, key=_place)),
        balancers=tuple(sorted(program.balancers, key=_place)),
    )
    yield from _check_prefix(program.cluster)
    yield from check_addresses(program)
    yield from check_service_networks(program)
    yield from check_ports(program)
    yield from check_node_port_addresses(program)
    yield from check_node_ports_as_endpoints(program)
    yield from check_turns(program)
    yield from check_effects(program)
    for service in program.services:
        yield from _check_reachable(service)
        yield from _check_endpoints(service)
        yield from check_health(service)
        yield from check_affinity(service)
        yield from check_snat(service)
        yield from _check_hash(service)
        yield from _check_empty_families(service)
    yield from check_balancers(program)


def _place(one: ir.Node | ir.Service | ir.Balancer) -> tuple[int, ...]:
    """Return a sort key for the order in which the reader meets things: where two clash, the second is to blame."""
    return reading_place(one.span)


def _check_prefix(cluster: ir.Cluster) -> Iterator[Diagnostic]:
    if is_taken(cluster.prefix):
        message = f"the prefix {cluster.prefix} is the name of a table of iptables, which nft has under the same name"
        hint = f"any other word will do: {cluster.prefix}-LB"
        yield Diagnostic(Code.PREFIX_TAKEN, message, cluster.spans.get("prefix"), hint)


def _check_hash(service: ir.Service) -> Iterator[Diagnostic]:
    if service.scheduler_by is ir.HashBy.ADDRESS or service.scheduler in (ir.Scheduler.SH, ir.Scheduler.MH):
        return
    scheduler = "the default scheduler" if service.scheduler is None else f"scheduler {service.scheduler}"
    message = f"{scheduler} hashes no clients: `by {service.scheduler_by}` is for sh and mh"
    yield Diagnostic(Code.VALUE, message, service.spans.get("scheduler by", service.span), "choose sh or mh")


def _check_reachable(service: ir.Service) -> Iterator[Diagnostic]:
    if not service.ports:
        hint = "say what it serves: port 80/tcp"
        yield Diagnostic(Code.MISSING, f"service `{service.name}` has no port", service.span, hint)
    elif not (service.vips or service.external_ips or any(port.nodeport for port in service.ports)):
        hint = "give it a vip, an external-ip or a nodeport"
        yield Diagnostic(Code.UNREACHABLE, f"nothing leads to service `{service.name}`", service.span, hint)


def _check_endpoints(service: ir.Service) -> Iterator[Diagnostic]:
    if _plain(service.endpoints):
        return
    only = service.ports[0] if len(service.ports) == 1 else None
    seen: dict[tuple[ir.Address, int | None], ir.Endpoint] = {}
    for endpoint in service.endpoints:
        port = endpoint.port
        if port is None:
            port = None if only is None else only.target
        elif only is None:
            hint = "leave the port out: each `port` statement says which port its connections go to (->)"
            message = f"endpoint {endpoint.address} has its own port, but service {service.name} has several ports"
            yield Diagnostic(Code.ENDPOINT_PORT, message, endpoint.span, hint)
            continue
        elif port + len(only.ports) - 1 > MAX_PORT:
            message = f"{len(only.ports)} ports from {port} go beyond {MAX_PORT}"
            yield Diagnostic(Code.PORT, message, endpoint.span)
        first = seen.setdefault((endpoint.address, port), endpoint)
        if first is not endpoint:
            hint = "to send it more connections, give it a weight"
            message = f"endpoint {endpoint.address} stands twice in service {service.name}"
            span = endpoint.span or service.span
            yield Diagnostic(Code.DUPLICATE_ENDPOINT, message, span, hint, related("first here", first.span))


def _plain(endpoints: tuple[ir.Endpoint, ...]) -> bool:
    """Whether all endpoints have distinct addresses (which their numbers show), and none has a port of its own."""
    return len(set(numbers([e.address for e in endpoints if e.port is None]))) == len(endpoints)


def _check_empty_families(service: ir.Service) -> Iterator[Diagnostic]:
    """Warn of addresses without endpoints of their family, and the other way round: both are likely mistakes."""
    families = versions([endpoint.address for endpoint in service.endpoints])
    if not families or families == versions(service.addresses):
        return
    if any(map(unable, (*service.addresses, *(endpoint.address for endpoint in service.endpoints)))):
        return  # an address that cannot serve has an error, and may have been meant as one of another family
    refuse = ir.WhenEmpty.DROP if service.when_empty is ir.WhenEmpty.DROP else ir.WhenEmpty.REJECT
    for statement, addresses in (("vip", service.vips), ("external-ip", service.external_ips)):
        for address in addresses:
            if address.version not in families:
                yield Diagnostic(
                    Code.EMPTY_FAMILY,
                    f"{statement} {address} has no IPv{address.version} endpoint: it will {refuse} clients",
                    service.spans.get(f"{statement} {address}", service.span),
                    f"IPv{address.version} clients need IPv{address.version} endpoints",
                    severity=Severity.WARNING,
                )
    fronts = versions(service.addresses)
    if fronts and not families <= fronts and not any(port.nodeport for port in service.ports):
        endpoint = next(e for e in service.endpoints if e.address.version not in fronts)
        family = f"IPv{endpoint.address.version}"
        message = f"nothing leads to endpoint {endpoint.address}: service {service.name} has no {family} address"
        hint = f"give the service an {family} vip, or leave the endpoint out"
        yield Diagnostic(Code.UNREACHED, message, endpoint.span or service.span, hint, severity=Severity.WARNING)
