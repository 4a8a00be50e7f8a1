"""Writes the IR as JSON. The schema, ``ir.schema.json``, defines the form."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias

from svcc.compiler import ir

Json: TypeAlias = Mapping[str, "Json"] | Sequence["Json"] | str | int | float | None


def to_json(program: ir.Program) -> dict[str, Json]:
    """Return the program as JSON's own types. Members with their default value are left out."""
    document = head_to_json(program)
    document["services"] = [
        {**service_to_json(service), "endpoints": [endpoint_to_json(one) for one in service.endpoints]}
        for service in program.services
    ]
    return document


def head_to_json(program: ir.Program) -> dict[str, Json]:
    """Return the program without its services, as JSON's own types."""
    document: dict[str, Json] = {"svcc": 1}
    cluster = _cluster_to_json(program.cluster)
    if cluster:
        document["cluster"] = cluster
    if program.nodes:
        document["nodes"] = [
            _sparse(name=n.name, addresses=[str(a) for a in n.addresses], zone=n.zone, instance=n.instance)
            for n in program.nodes
        ]
    if program.balancers:
        document["balancers"] = [_balancer_to_json(balancer) for balancer in program.balancers]
    return document


def _sparse(**members: Json) -> dict[str, Json]:
    """Return the members that have a value, with their names in JSON."""
    return {k.replace("_", "-"): v for k, v in members.items() if v is not None and v != []}


def _unless(value: Json, default: Json) -> Json:
    return None if value == default else value


def _ports_to_json(ports: ir.PortRange) -> int | str:
    return ports.first if len(ports) == 1 else str(ports)


def _cluster_to_json(cluster: ir.Cluster) -> dict[str, Json]:
    default = ir.Cluster()
    return _sparse(
        prefix=_unless(cluster.prefix, default.prefix),
        pods=[str(network) for network in cluster.pods],
        services=[str(network) for network in cluster.services],
        nodeports=_unless(_ports_to_json(cluster.nodeports), _ports_to_json(default.nodeports)),
        nodeport_addresses=[str(network) for network in cluster.nodeport_addresses],
        vip_device=_unless(cluster.vip_device or "none", default.vip_device),
        mark=_unless(cluster.mark, default.mark),
    )


def _check_to_json(check: ir.Check) -> dict[str, Json]:
    default = ir.Check(check.kind)
    first, last = check.expect
    return _sparse(
        kind=check.kind.value,
        port=check.port,
        path=_unless(check.path, default.path),
        host=check.host,
        expect=None if check.expect == default.expect else first if first == last else f"{first}-{last}",
        insecure=_unless(check.insecure, False),
        name=_unless(check.name, default.name),
        every=_unless(_seconds(check.every), default.every),
        timeout=_unless(_seconds(check.timeout), default.timeout),
        fall=_unless(check.fall, default.fall),
        rise=_unless(check.rise, default.rise),
    )


def _seconds(seconds: float) -> int | float:
    return int(seconds) if float(seconds).is_integer() else seconds


def _balancer_to_json(balancer: ir.Balancer) -> dict[str, Json]:
    default = ir.Balancer("")
    document = _sparse(
        name=balancer.name,
        kind=_unless(balancer.kind.value, default.kind.value),
        scheme=_unless(balancer.scheme.value, default.scheme.value),
        network=balancer.network,
        subnets=list(balancer.subnets),
        security=list(balancer.security),
    )
    document["listeners"] = [
        _sparse(
            port=one.port,
            protocol=one.protocol.value,
            status=_unless(one.answer.status, ir.DefaultAnswer().status),
            body=one.answer.body,
        )
        for one in balancer.listeners
    ]
    document["routes"] = [
        _sparse(paths=list(route.paths), listener=route.listener, service=route.service, port=route.port)
        for route in balancer.routes
    ]
    return document


def service_to_json(service: ir.Service) -> dict[str, Json]:
    """Return a service without its endpoints, as JSON's own types."""
    document = _sparse(
        name=service.name,
        vips=[str(a) for a in service.vips],
        external_ips=[str(a) for a in service.external_ips],
        shared=[str(a) for a in service.shared],
        announce=_unless(service.announce, False),
        elsewhere=[str(a) for a in service.elsewhere],
        allow_from=[str(n) for n in service.allow_from],
        scheduler=service.scheduler and service.scheduler.value,
        scheduler_by=_unless(service.scheduler_by.value, "address"),
        affinity=service.affinity,
        affinity_per_service=_unless(service.affinity_per_service, False),
        affinity_networks=_unless([*service.affinity_networks], [32, 128]),
        external_traffic=_unless(service.external_traffic.value, "cluster"),
        internal_traffic=_unless(service.internal_traffic.value, "cluster"),
        masquerade=_unless(service.masquerade.value, "auto"),
        masquerade_from=[str(n) for n in service.masquerade_from],
        snat=[str(a) for a in service.snat],
        forward=_unless(service.forward.value, "masquerade"),
        when_empty=_unless(service.when_empty.value, "reject"),
        check=None if service.check is None else _check_to_json(service.check),
        when_failed=_unless(service.when_failed.value, "open"),
        one_packet=_unless(service.one_packet, False),
        registered=[{"pool": one.pool, "networks": [str(n) for n in one.networks]} for one in service.registered],
    )
    document["ports"] = [port_to_json(port) for port in service.ports]
    return document


def port_to_json(port: ir.Port) -> dict[str, Json]:
    """Return a port as JSON's own types. Members with their default value are left out."""
    return _sparse(
        name=port.name,
        protocol=port.protocol.value,
        ports=_ports_to_json(port.ports),
        target=_unless(port.target, port.ports.first),
        nodeport=None if port.nodeport is None else _ports_to_json(port.nodeport),
    )


def endpoint_to_json(endpoint: ir.Endpoint) -> dict[str, Json]:
    """Return an endpoint as JSON's own types. Members with their default value are left out."""
    return _sparse(
        address=str(endpoint.address),
        port=endpoint.port,
        weight=_unless(endpoint.weight, 1),
        node=endpoint.node,
        backup=_unless(endpoint.backup, False),
        max_connections=endpoint.max_connections,
    )
