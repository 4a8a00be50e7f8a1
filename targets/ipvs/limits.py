"""What the ipvs target refuses beyond its feature table."""

from __future__ import annotations

from collections.abc import Iterator

from svcc.compiler import ir
from svcc.compiler.codes import Code
from svcc.compiler.diagnostic import Diagnostic
from svcc.compiler.source import Span
from svcc.targets.ipvs.sets import PREFIX
from svcc.targets.ipvs.virtual import (
    RANGE_OBJECTS,
    RANGE_PORTS,
    address_text,
    by_mark,
    is_large,
    range_mark,
    service_mark,
)


def limits(program: ir.Program) -> Iterator[Diagnostic]:
    """Return what the target refuses: names that are too long, marks that clash, and what IPVS cannot combine."""
    yield from _names(program.cluster)
    yield from _marks(program)
    yield from _ranges(program)
    for service in program.services:
        if service.scheduler is ir.Scheduler.DH:
            yield from _destination_hash(service)
        if service.forward is not ir.Forward.MASQUERADE:
            yield from _unchanged(service)
        if service.one_packet:
            yield from _one_packet(service)
        if by_mark(service):
            yield from _marked(service)
        for port in service.ports:
            if is_large(port.ports):
                yield from _large(service, port)


def _names(cluster: ir.Cluster) -> Iterator[Diagnostic]:
    if len(cluster.prefix) > PREFIX:
        yield Diagnostic(
            Code.NAME_TOO_LONG,
            f"a prefix of {len(cluster.prefix)} characters leaves no room in the names of ipsets",
            cluster.spans.get("prefix"),
            hint=f"use at most {PREFIX} characters",
        )


def _marks(program: ir.Program) -> Iterator[Diagnostic]:
    """Check that no two services or ranges have the same mark: IPVS would take their packets for one service's."""
    known: dict[int, str] = {}
    for service in program.services:
        for mark, whose, span in _marks_of(program.cluster, service):
            other = known.setdefault(mark, whose)
            if other is not whose:
                yield Diagnostic(
                    Code.TARGET_LIMIT,
                    f"the names of {other} and {whose} lead to one packet mark, by which IPVS would take them for one",
                    span or service.span,
                    hint="give one of the services another name",
                )


def _marks_of(cluster: ir.Cluster, service: ir.Service) -> Iterator[tuple[int, str, Span | None]]:
    """Yield the marks of a service, each with what it belongs to."""
    if by_mark(service):
        span = service.spans.get("affinity per service")
        yield service_mark(cluster, service.name), f"service {service.name}", span
        return
    for port in service.ports:
        if not is_large(port.ports):
            continue
        span, protocol = port.spans.get("ports"), port.protocol
        for address in (*service.vips, *service.external_ips):
            at = address_text(int(address), address.version)
            mark = range_mark(cluster, service.name, at, protocol, port.ports.first)
            yield mark, f"service {service.name}, port {port.ports}/{protocol} at {at}", span
        if port.nodeport is not None:
            mark = range_mark(cluster, service.name, None, protocol, port.nodeport.first)
            yield mark, f"service {service.name}, node port {port.nodeport}/{protocol}", span


def _large(service: ir.Service, port: ir.Port) -> Iterator[Diagnostic]:
    """Check a range that is one virtual server, known by a mark: clients reach endpoints at the port they asked for."""
    declared = port.ports if service.vips or service.external_ips else None
    for name, ports, at in (("port", declared, "target"), ("node port", port.nodeport, "nodeport")):
        targets = [(port.target, port.spans.get(at, port.span))]
        targets += [(one.port, one.span) for one in service.endpoints if one.port is not None]
        for target, span in targets:
            if ports is None or ports.first == target or by_mark(service):
                continue
            yield Diagnostic(
                Code.TARGET_LIMIT,
                f"in a range of more than {RANGE_PORTS} ports, ipvs cannot change the port: what comes to {name} "
                f"{ports} would reach endpoints there, not from port {target} on",
                span or service.span,
                hint=f"let endpoints listen on the same ports, split the range into some of {RANGE_PORTS}, or use nft",
            )


def _ranges(program: ir.Program) -> Iterator[Diagnostic]:
    """Check how many objects the kernel needs for ranges of ports: a few words of a program may ask for millions."""
    left = RANGE_OBJECTS
    at_nodes = max((len(node.addresses) for node in program.nodes), default=1)
    for service in program.services:
        for port in service.ports:
            if len(port.ports) == 1:
                continue
            left -= len(port.ports) * _for_each_port(service, port, at_nodes)
            if left < 0:
                yield Diagnostic(
                    Code.TARGET_LIMIT,
                    f"with port {port.ports} of service {service.name}, ranges take more than {RANGE_OBJECTS:,} "
                    "objects of ipvs and ipset: for each port some at each address, and for each endpoint and network",
                    port.spans.get("ports", port.span) or service.span,
                    hint="make the range smaller, leave addresses out, or use nft or iptables",
                )
                return


def _for_each_port(service: ir.Service, port: ir.Port, at_nodes: int) -> int:
    """Return how many objects each port of a range needs at most."""
    further = service.forward is not ir.Forward.MASQUERADE or service.masquerade is ir.Masquerade.ALWAYS
    external = len(service.external_ips) + (at_nodes if port.nodeport else 0)
    number = len(service.endpoints) + external * (1 + len(service.allow_from))
    for version in (4, 6):
        endpoints = sum(one.address.version == version for one in service.endpoints)
        addresses = sum(one.version == version for one in service.addresses) + (at_nodes if port.nodeport else 0)
        each = 2 + further + len(service.masquerade_from) + (0 if is_large(port.ports) else endpoints)
        number += addresses * each
    return number


def _marked(service: ir.Service) -> Iterator[Diagnostic]:
    """Check a service with affinity by a mark: clients reach the port that they connected to (ip_vs_sched_persist)."""
    for port in service.ports:
        if (service.vips or service.external_ips) and port.target != port.ports.first:
            yield _other_port(service, port.target, f"port {port.ports}", port.spans.get("target", port.span))
        if port.nodeport is not None and port.target != port.nodeport.first:
            yield _other_port(service, port.target, f"node port {port.nodeport}", port.spans.get("nodeport", port.span))
    for endpoint in service.endpoints:
        if endpoint.port is None or not service.ports:
            continue
        port = service.ports[0]
        for name, first in (("port", port.ports), ("node port", port.nodeport)):
            if first is not None and endpoint.port != first.first:
                yield _other_port(service, endpoint.port, f"{name} {first}", endpoint.span)


def _other_port(service: ir.Service, target: int, where: str, span: Span | None) -> Diagnostic:
    return Diagnostic(
        Code.UNSUPPORTED,
        f"under affinity per service, ipvs cannot change the port: what comes to {where} would reach endpoints there, "
        f"not at port {target}",
        span or service.span,
        hint="let endpoints listen on the service's ports, or use affinity for each port, nft or iptables",
    )


def _destination_hash(service: ir.Service) -> Iterator[Diagnostic]:
    """Check services with dh: it keeps the slots of draining endpoints, and refuses clients there (ip_vs_dh.c)."""
    for endpoint in service.endpoints:
        if endpoint.draining or endpoint.backup:
            kind = "draining" if endpoint.draining else "backup"
            yield Diagnostic(
                Code.UNSUPPORTED,
                f"under scheduler dh, ipvs refuses clients that hash to a {kind} endpoint ({endpoint.address})",
                endpoint.span or service.span,
                hint="use scheduler sh or mh, or remove the endpoint",
            )
    if service.check is not None:
        yield Diagnostic(
            Code.UNSUPPORTED,
            "under scheduler dh, ipvs refuses clients that hash to an endpoint that fails its check",
            service.spans.get("check", service.span),
            hint="use scheduler sh or mh, or leave `check` out",
        )
    for statement, traffic in (("external", service.external_traffic), ("internal", service.internal_traffic)):
        if traffic in (ir.Traffic.PREFER_LOCAL, ir.Traffic.PREFER_ZONE):
            yield Diagnostic(
                Code.UNSUPPORTED,
                f"under scheduler dh, ipvs refuses clients that hash to an endpoint that is not preferred ({traffic})",
                service.spans.get(f"traffic {statement}", service.span),
                hint="use scheduler sh or mh, or traffic … cluster",
            )


def _unchanged(service: ir.Service) -> Iterator[Diagnostic]:
    """Check services under forward direct and tunnel: the endpoint gets the client's packet as it is (ipvsadm(8))."""
    how = f"forward {service.forward}"
    if service.masquerade is ir.Masquerade.ALWAYS or service.masquerade_from:
        yield Diagnostic(
            Code.UNSUPPORTED,
            f"under {how} endpoints answer clients themselves: their addresses cannot be masqueraded",
            service.spans.get("masquerade", service.span),
            hint="use masquerade auto, or forward masquerade",
        )
    if service.snat:
        yield Diagnostic(
            Code.UNSUPPORTED,
            f"under {how} endpoints answer clients themselves: nobody's source is rewritten, and `snat` has no effect",
            service.spans.get("snat", service.span),
            hint="leave `snat` out, or use forward masquerade",
        )
    for port in service.ports:
        if port.target != port.ports.first:
            yield _changed_port(how, port.target, port.ports.first, port.spans.get("target", service.span))
        if port.nodeport is not None:
            yield Diagnostic(
                Code.UNSUPPORTED,
                f"under {how} an endpoint would have to own the node's addresses to answer on a node port",
                port.spans.get("nodeport", service.span),
                hint="give node ports to another service with forward masquerade",
            )
    for endpoint in service.endpoints:
        if endpoint.port is not None and service.ports and endpoint.port != service.ports[0].ports.first:
            yield _changed_port(how, endpoint.port, service.ports[0].ports.first, endpoint.span or service.span)


def _one_packet(service: ir.Service) -> Iterator[Diagnostic]:
    """Check services with one-packet, which ipvsadm allows for UDP only. IPVS keeps no connection by which it could
    translate an answer: under forward masquerade the answer leaves with the endpoint's own address, or is lost where
    the client was masqueraded.
    """
    if service.forward is ir.Forward.MASQUERADE:
        yield Diagnostic(
            Code.UNSUPPORTED,
            "under one-packet and forward masquerade, answers would come from the endpoint, not from the service",
            service.spans.get("one-packet", service.span),
            hint="use forward direct or tunnel: endpoints answer clients themselves, from the service's address",
        )
    for port in service.ports:
        if port.protocol is not ir.Protocol.UDP:
            yield Diagnostic(
                Code.UNSUPPORTED,
                f"one-packet is for udp: the packets of {port.protocol} belong to a connection, and to one endpoint",
                port.span or service.span,
                hint=f"give port {port.ports}/{port.protocol} to another service",
            )


def _changed_port(how: str, target: int, port: int, span: Span | None) -> Diagnostic:
    return Diagnostic(
        Code.UNSUPPORTED,
        f"{how} cannot change the port: the endpoint gets port {port}, not {target}",
        span,
        hint="let the endpoint listen on the service's port, or use forward masquerade",
    )
