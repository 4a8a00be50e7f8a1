"""Programs of many different services, for tests of what an edit changes."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_network

from svcc.compiler import ir

NODE = ir.Node("n", (IPv4Address("10.0.0.4"), IPv6Address("fd00:10::4")))
_PODS = (ip_network("100.64.0.0/10"), ip_network("fd00:64::/32"))
_VIPS = int(IPv4Address("198.18.0.1"))
_VIPS6 = int(IPv6Address("fd00:19::1"))
_ENDPOINTS = int(IPv4Address("100.64.0.1"))
_ENDPOINTS6 = int(IPv6Address("fd00:64::1"))
_EXTERNAL = int(IPv4Address("203.0.113.1"))
#: How many endpoints a service has at most: each has one more than the one before, then it begins with one again.
SIZES = 11


def vip(i: int) -> ir.Address:
    """Return the vip of service i. They are spread over two /16, some close together and some apart."""
    return IPv4Address(_VIPS + (i % 7) * 4096 + i)


def endpoint(i: int, k: int) -> ir.Endpoint:
    """Return endpoint k of service i, which no other service has."""
    return ir.Endpoint(IPv4Address(_ENDPOINTS + i * 32 + k))


def endpoint6(i: int, k: int) -> ir.Endpoint:
    return ir.Endpoint(IPv6Address(_ENDPOINTS6 + i * 32 + k))


def plain(services: int) -> ir.Program:
    """Return a program whose services have one vip, one port, and one to :data:`SIZES` endpoints."""
    found = [
        ir.Service(
            name=f"s{i:05}",
            vips=(vip(i),),
            ports=(ir.Port(None, ir.Protocol.TCP, ir.PortRange(80, 80), 8080),),
            endpoints=tuple(endpoint(i, k) for k in range(i % SIZES + 1)),
        )
        for i in range(services)
    ]
    return ir.Program(ir.Cluster(pods=_PODS), (NODE,), tuple(found))


def varied(services: int) -> ir.Program:
    """Return a program with everything that every target can express, alone and in combination."""
    cluster = ir.Cluster(pods=_PODS, nodeports=ir.PortRange(30000, 30000 + 4 * services))
    return ir.Program(cluster, (NODE,), tuple(varied_service(i) for i in range(services)))


def varied_service(i: int) -> ir.Service:
    dual, several, weighted = i % 3 == 0, i % 4 == 0, i % 5 == 0
    endpoints = [endpoint(i, k) for k in range(i % SIZES + 1)]
    if weighted:
        endpoints = [ir.Endpoint(e.address, weight=k % 3 + 1) for k, e in enumerate(endpoints)]
    if dual:
        endpoints += [endpoint6(i, k) for k in range(i % 4)]
    node_port = ir.PortRange(30000 + 2 * i, 30000 + 2 * i) if i % 2 else None
    ports = [ir.Port("http", ir.Protocol.TCP, ir.PortRange(80, 80), 8080, node_port)]
    if several:
        ports.append(ir.Port("dns", ir.Protocol.UDP, ir.PortRange(53, 53), 53))
    return ir.Service(
        name=f"s{i:05}",
        vips=(vip(i), IPv6Address(_VIPS6 + i)) if dual else (vip(i),),
        external_ips=(IPv4Address(_EXTERNAL + i),) if i % 50 == 1 else (),
        allow_from=(ip_network("10.0.0.0/8"), ip_network("2001:db8::/32")) if i % 50 in (1, 2) else (),
        ports=tuple(ports),
        endpoints=tuple(endpoints),
        scheduler=ir.Scheduler.RR if i % 13 == 5 else None,
        affinity=10_800 if i % 17 == 3 else None,
        masquerade=ir.Masquerade.ALWAYS if i % 19 == 4 else ir.Masquerade.AUTO,
        when_empty=ir.WhenEmpty.DROP if i % 2 else ir.WhenEmpty.REJECT,
    )
