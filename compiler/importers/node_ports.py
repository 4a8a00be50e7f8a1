"""Computes the cluster's range of node ports, for services whose node ports somebody else has chosen."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

from svcc.compiler import ir

USUAL = ir.Cluster().nodeports


def node_ports(services: Iterable[ir.Service]) -> ir.PortRange:
    """Return the usual range, extended to hold the node ports of all services."""
    return widened([*unusual_ports(services)])


def unusual_ports(services: Iterable[ir.Service]) -> Iterator[ir.PortRange]:
    """Return the node ports that are not in the usual range."""
    for service in services:
        for port in service.ports:
            ports = port.nodeport
            if ports is not None and not (ports.first in USUAL and ports.last in USUAL):
                yield ports


def widened(unusual: Collection[ir.PortRange]) -> ir.PortRange:
    """Return the smallest range that holds the usual range and these ports."""
    taken = (USUAL, *unusual)
    return ir.PortRange(min(ports.first for ports in taken), max(ports.last for ports in taken))
