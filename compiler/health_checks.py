"""Which port of an endpoint a health check connects to, and which options a kind of check has."""

from __future__ import annotations

from collections.abc import Mapping

from svcc.compiler import ir

#: The options that each kind of check may have, beside port and times.
OPTIONS: Mapping[ir.CheckKind, frozenset[str]] = {
    ir.CheckKind.TCP: frozenset(),
    ir.CheckKind.HTTP: frozenset(("path", "host", "expect")),
    ir.CheckKind.HTTPS: frozenset(("path", "host", "expect", "insecure")),
    ir.CheckKind.DNS: frozenset(("name",)),
    ir.CheckKind.UDP: frozenset(),
}


def protocol(kind: ir.CheckKind) -> ir.Protocol:
    """Return the protocol that a check speaks."""
    return ir.Protocol.UDP if kind in (ir.CheckKind.DNS, ir.CheckKind.UDP) else ir.Protocol.TCP


def service_ports(service: ir.Service, kind: ir.CheckKind) -> list[int]:
    """Return the endpoint ports that a check without a port may mean, each once. A range counts as its first port."""
    return list(dict.fromkeys(port.target for port in service.ports if port.protocol is protocol(kind)))


def asked_port(service: ir.Service, check: ir.Check, endpoint: ir.Endpoint) -> int:
    """Return the port of an endpoint that a check connects to. The service has passed :mod:`svcc.compiler.checks`."""
    if check.port is not None:
        return check.port
    return service_ports(service, check.kind)[0] if endpoint.port is None else endpoint.port
