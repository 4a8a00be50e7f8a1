"""Unsolicited neighbour advertisements: telling a network that an address is at this machine now (RFC 4861, 7.2.6)."""

from __future__ import annotations

import struct
from ipaddress import IPv6Address

ETHERTYPE = 0x86DD  # ETH_P_IPV6
_EVERYBODY = IPv6Address("ff02::1")  # all nodes of the link
_ICMPV6, ADVERTISEMENT = 58, 136
_OVERRIDE = 1 << 29  # what a neighbour has in its cache is replaced
_TARGET_LINK_LAYER = 2  # the option with the hardware address, in units of eight bytes


def packet(mac: bytes, address: IPv6Address) -> bytes:
    """The frame that announces an address. It is sent from the address itself, as the kernel does when one comes."""
    body = struct.pack("!I", _OVERRIDE) + address.packed + struct.pack("!BB", _TARGET_LINK_LAYER, 1) + mac
    length = len(body) + 4
    between = address.packed + _EVERYBODY.packed
    summed = checksum(between + struct.pack("!II", length, _ICMPV6) + struct.pack("!BBH", ADVERTISEMENT, 0, 0) + body)
    header = struct.pack("!IHBB", 6 << 28, length, _ICMPV6, 255) + between
    ethernet = b"\x33\x33" + _EVERYBODY.packed[-4:] + mac + struct.pack("!H", ETHERTYPE)
    return ethernet + header + struct.pack("!BBH", ADVERTISEMENT, 0, summed) + body


def checksum(data: bytes) -> int:
    """The checksum of the Internet (RFC 1071) of an even number of bytes."""
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF
