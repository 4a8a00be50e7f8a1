"""What tests of the reference use: the addresses and ports of a service, its node, and clients."""

from __future__ import annotations

from ipaddress import ip_address

from svcc.compiler import ir

VIP, VIP6 = ip_address("198.19.10.0"), ip_address("fd00:19::10")
EXTERNAL = ip_address("203.0.113.7")
A, B, C, A6 = (ip_address(a) for a in ("100.64.0.9", "100.64.0.19", "100.64.0.29", "fd00:64::9"))
NODE = ir.Node("node-a", (ip_address("10.0.0.4"), ip_address("fd00:10::4"), ip_address("127.0.0.2")))
CLIENT, CLIENT6 = ip_address("192.0.2.1"), ip_address("2001:db8::1")

HTTP = ir.Port("http", ir.Protocol.TCP, ir.PortRange(80, 80), 8080, ir.PortRange(30080, 30080))
MEDIA = ir.Port("media", ir.Protocol.UDP, ir.PortRange(5000, 5099), 6000, ir.PortRange(31000, 31099))
