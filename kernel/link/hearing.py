"""Hearing another machine say that it has an address: by ARP (RFC 5227, section 2.4) or by neighbour advertisements."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address

from svcc.kernel.link import arp, nd

_ARP = struct.Struct("!HHBBH6s4s6s4s")
_IPV4_ON_ETHERNET = (1, 0x0800, 6, 4)
_ICMP6_FILTER = 1  # linux/icmpv6.h: a bit that is set keeps a type out
_HOP_LIMIT = 255  # what comes from the link itself has (RFC 4861, section 7.1.2)
_LARGEST = 2048
_TARGET_LINK_LAYER = 2
_ADVERTISEMENT_LENGTH = 24  # without options


@dataclass(frozen=True, slots=True)
class Claim:
    """``hardware``: that of the machine which says that it has the address, as ``ip`` writes it."""

    address: IPv4Address | IPv6Address
    hardware: str


class Listener:
    """Receives ARP and neighbour advertisements on all links of a network namespace.

    Errors: OSError, where this process may not.
    """

    def __init__(self) -> None:
        self.arp = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(arp.ETHERTYPE))
        self.nd = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
        words = [0xFFFFFFFF] * 8
        words[nd.ADVERTISEMENT // 32] &= ~(1 << nd.ADVERTISEMENT % 32)
        self.nd.setsockopt(socket.IPPROTO_ICMPV6, _ICMP6_FILTER, struct.pack("=8I", *words))
        self.nd.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVHOPLIMIT, 1)
        for one in (self.arp, self.nd):
            one.setblocking(False)

    def heard(self) -> Iterator[Claim]:
        """What came since it was asked last; it does not wait."""
        while (packet := _packet(self.arp)) is not None:
            if (claim := arp_claim(packet[0])) is not None:
                yield claim
        while (packet := _packet(self.nd)) is not None:
            if packet[1] == _HOP_LIMIT and (claim := nd_claim(packet[0])) is not None:
                yield claim

    def close(self) -> None:
        """Close both sockets. Nothing is heard any more."""
        self.arp.close()
        self.nd.close()


def _packet(one: socket.socket) -> tuple[bytes, int] | None:
    """A packet and its hop limit; None: there is none."""
    try:
        data, extra, _, _ = one.recvmsg(_LARGEST, socket.CMSG_SPACE(4))
    except BlockingIOError:
        return None
    except OSError:  # the link went down meanwhile, which is said once
        return b"", 0
    hops = [value for level, kind, value in extra if (level, kind) == (socket.IPPROTO_IPV6, socket.IPV6_HOPLIMIT)]
    return data, struct.unpack("=i", hops[0])[0] if hops else 0


def arp_claim(packet: bytes) -> Claim | None:
    """Who sent an ARP packet (without Ethernet's header), unless it only asks (a probe has no sender's address)."""
    if len(packet) < _ARP.size:
        return None
    *kind, _, sender, address, _, _ = _ARP.unpack_from(packet)
    if tuple(kind) != _IPV4_ON_ETHERNET or address == bytes(4):
        return None
    return Claim(IPv4Address(address), sender.hex(":"))


def nd_claim(packet: bytes) -> Claim | None:
    """Whom a neighbour advertisement (ICMPv6, RFC 4861, section 4.4) is about; None: it does not say the hardware."""
    if len(packet) < _ADVERTISEMENT_LENGTH or packet[0] != nd.ADVERTISEMENT:
        return None
    address, options = IPv6Address(packet[8:24]), packet[_ADVERTISEMENT_LENGTH:]
    while len(options) >= 8 and options[1]:
        if options[:2] == bytes([_TARGET_LINK_LAYER, 1]):
            return Claim(address, options[2:8].hex(":"))
        options = options[8 * options[1] :]
    return None
