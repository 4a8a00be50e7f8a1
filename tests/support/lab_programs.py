"""The programs that the tests of the lab build."""

from __future__ import annotations

from ipaddress import ip_address

from svcc.compiler import ir

VIP, VIP6 = ip_address("198.19.10.0"), ip_address("fd00:19::10")
POD, OTHER_POD, POD6 = (ip_address(text) for text in ("100.64.0.9", "100.64.0.19", "fd00:64::9"))


def port(number: int, protocol: str = "tcp", target: int | None = None, last: int | None = None) -> ir.Port:
    ports = ir.PortRange(number, number if last is None else last)
    return ir.Port(f"{protocol}-{number}", ir.Protocol(protocol), ports, number if target is None else target)


def program(*ports: ir.Port, forward: ir.Forward = ir.Forward.MASQUERADE) -> ir.Program:
    """One service with a vip of each family, two v4 pods and a v6 one."""
    endpoints = tuple(ir.Endpoint(address) for address in (POD, OTHER_POD, POD6))
    service = ir.Service("web", vips=(VIP, VIP6), ports=ports, endpoints=endpoints, forward=forward)
    return ir.Program(services=(service,))


WEB = program(port(80, target=8080), port(53, "udp", target=5353))
