"""The cluster's range of node ports, for services whose ports somebody else has chosen."""

from __future__ import annotations

from collections.abc import Iterable

from svcc.compiler import ir


def node_ports(services: Iterable[ir.Service]) -> ir.PortRange:
    """The usual range, made as wide as it takes."""
    usual = ir.Cluster().nodeports
    taken = [port.nodeport for service in services for port in service.ports if port.nodeport is not None]
    first = min((ports.first for ports in taken), default=usual.first)
    last = max((ports.last for ports in taken), default=usual.last)
    return ir.PortRange(min(first, usual.first), max(last, usual.last))
