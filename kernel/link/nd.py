"""Make the frames of neighbour discovery that announce an address (unsolicited advertisements, RFC 4861, 7.2.6), and
those that ask whether anybody has it.
"""

from __future__ import annotations

import struct
from ipaddress import IPv6Address

ETHERTYPE = 0x86DD  # ETH_P_IPV6
_EVERYBODY = IPv6Address("ff02::1")  # all nodes of the link
_SOLICITED = IPv6Address("ff02::1:ff00:0")  # with the last three bytes of an address, the group of its holders
_ICMPV6, SOLICITATION, ADVERTISEMENT = 58, 135, 136
_OVERRIDE = 1 << 29  # neighbours are to replace what they have in their cache
#: Two options with a hardware address, and the nonce, which tells a sender's own solicitations from others' (RFC 7527,
#: 4.1). The lengths of options are in units of eight bytes.
SOURCE_LINK_LAYER, TARGET_LINK_LAYER, NONCE = 1, 2, 14


def packet(mac: bytes, address: IPv6Address) -> bytes:
    """Return the frame that announces an address. Its sender is the address itself, as in the kernel's own when an
    address is added."""
    body = struct.pack("!I", _OVERRIDE) + address.packed + struct.pack("!BB", TARGET_LINK_LAYER, 1) + mac
    return _frame(mac, address, _EVERYBODY, ADVERTISEMENT, body)


def probe(mac: bytes, address: IPv6Address) -> bytes:
    """Return the frame that asks whether anybody has an address (RFC 4862, section 5.4.2). It comes from no address,
    and is answered to all nodes of the link. Its nonce is the hardware address, by which other svccs know who asks.
    """
    body = bytes(4) + address.packed + struct.pack("!BB", NONCE, 1) + mac
    return _frame(mac, IPv6Address(0), solicited(address), SOLICITATION, body)


def solicited(address: IPv6Address) -> IPv6Address:
    """Return the solicited-node multicast address of an address, the group of all who have it (RFC 4291, section
    2.7.1)."""
    return IPv6Address(int(_SOLICITED) | int(address) & 0xFFFFFF)


def _frame(mac: bytes, sender: IPv6Address, group: IPv6Address, kind: int, body: bytes) -> bytes:
    """Return the Ethernet frame of an ICMPv6 message. ``body``: what follows the checksum of the message."""
    length = len(body) + 4
    between = sender.packed + group.packed
    summed = checksum(between + struct.pack("!II", length, _ICMPV6) + struct.pack("!BBH", kind, 0, 0) + body)
    header = struct.pack("!IHBB", 6 << 28, length, _ICMPV6, 255) + between
    ethernet = b"\x33\x33" + group.packed[-4:] + mac + struct.pack("!H", ETHERTYPE)
    return ethernet + header + struct.pack("!BBH", kind, 0, summed) + body


def checksum(data: bytes) -> int:
    """Return the Internet checksum (RFC 1071) of an even number of bytes."""
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF
