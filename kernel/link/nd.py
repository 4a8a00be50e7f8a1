"""Frames of neighbour discovery: that an address is at this machine now (unsolicited advertisements, RFC 4861, 7.2.6),
and whether anybody has one.
"""

from __future__ import annotations

import struct
from ipaddress import IPv6Address

ETHERTYPE = 0x86DD  # ETH_P_IPV6
_EVERYBODY = IPv6Address("ff02::1")  # all nodes of the link
_SOLICITED = IPv6Address("ff02::1:ff00:0")  # with an address's last three bytes: those who have such a one
_ICMPV6, SOLICITATION, ADVERTISEMENT = 58, 135, 136
_OVERRIDE = 1 << 29  # what a neighbour has in its cache is replaced
#: Options with a hardware address, and one with what tells a sender's own solicitations from others' (RFC 7527, 4.1).
#: Their lengths are in units of eight bytes.
SOURCE_LINK_LAYER, TARGET_LINK_LAYER, NONCE = 1, 2, 14


def packet(mac: bytes, address: IPv6Address) -> bytes:
    """The frame that announces an address. It is sent from the address itself, as the kernel does when one comes."""
    body = struct.pack("!I", _OVERRIDE) + address.packed + struct.pack("!BB", TARGET_LINK_LAYER, 1) + mac
    return _frame(mac, address, _EVERYBODY, ADVERTISEMENT, body)


def probe(mac: bytes, address: IPv6Address) -> bytes:
    """The frame that asks whether anybody has an address (RFC 4862, section 5.4.2): it comes from no address, and who
    answers tells all of the link. Its nonce is the hardware address, by which others know who asks.
    """
    body = bytes(4) + address.packed + struct.pack("!BB", NONCE, 1) + mac
    return _frame(mac, IPv6Address(0), solicited(address), SOLICITATION, body)


def solicited(address: IPv6Address) -> IPv6Address:
    """The group in which those are who have an address like this one (RFC 4291, section 2.7.1)."""
    return IPv6Address(int(_SOLICITED) | int(address) & 0xFFFFFF)


def _frame(mac: bytes, sender: IPv6Address, group: IPv6Address, kind: int, body: bytes) -> bytes:
    """``body``: of the ICMPv6 message, after its checksum."""
    length = len(body) + 4
    between = sender.packed + group.packed
    summed = checksum(between + struct.pack("!II", length, _ICMPV6) + struct.pack("!BBH", kind, 0, 0) + body)
    header = struct.pack("!IHBB", 6 << 28, length, _ICMPV6, 255) + between
    ethernet = b"\x33\x33" + group.packed[-4:] + mac + struct.pack("!H", ETHERTYPE)
    return ethernet + header + struct.pack("!BBH", kind, 0, summed) + body


def checksum(data: bytes) -> int:
    """The checksum of the Internet (RFC 1071) of an even number of bytes."""
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF
