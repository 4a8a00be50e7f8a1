"""Hearing another machine say that it has an address, by ARP (RFC 5227, section 2.4) or by neighbour advertisements, or
ask whether anybody has one that it is about to take.
"""

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
_ADVERTISEMENT_LENGTH = 24  # without options; a solicitation has as much


@dataclass(frozen=True, slots=True)
class Claim:
    """``hardware``: that of the machine which says that it has the address, as ``ip`` writes it."""

    address: IPv4Address | IPv6Address
    hardware: str


@dataclass(frozen=True, slots=True)
class Question:
    """Another machine asks whether anybody has an address. ``hardware``: its own, as ``ip`` writes it; "": not said."""

    address: IPv4Address | IPv6Address
    hardware: str


class Listener:
    """Receives ARP and neighbour advertisements on all links of a network namespace; with ``questions`` also
    solicitations, to the groups that somebody joined there.

    Errors: OSError, where this process may not.
    """

    def __init__(self, *, questions: bool = False) -> None:
        self.arp = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(arp.ETHERTYPE))
        self.nd = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
        words = [0xFFFFFFFF] * 8
        for kind in (nd.ADVERTISEMENT, nd.SOLICITATION) if questions else (nd.ADVERTISEMENT,):
            words[kind // 32] &= ~(1 << kind % 32)
        self.nd.setsockopt(socket.IPPROTO_ICMPV6, _ICMP6_FILTER, struct.pack("=8I", *words))
        self.nd.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVHOPLIMIT, 1)
        for one in (self.arp, self.nd):
            one.setblocking(False)

    def heard(self) -> Iterator[Claim]:
        """The claims that came since it was asked last; it does not wait."""
        return (one for one in self.all_heard() if isinstance(one, Claim))

    def all_heard(self) -> Iterator[Claim | Question]:
        """What came since it was asked last; it does not wait."""
        while (packet := _packet(self.arp)) is not None:
            if (said := arp_claim(packet[0]) or arp_question(packet[0])) is not None:
                yield said
        while (packet := _packet(self.nd)) is not None:
            if packet[1] == _HOP_LIMIT and (said := nd_claim(packet[0]) or nd_question(packet[0])) is not None:
                yield said

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
    options = _options(packet[_ADVERTISEMENT_LENGTH:])
    hardware = next((value for kind, value in options if kind == nd.TARGET_LINK_LAYER and len(value) == 6), None)
    return None if hardware is None else Claim(IPv6Address(packet[8:24]), hardware.hex(":"))


def arp_question(packet: bytes) -> Question | None:
    """What an ARP probe (without Ethernet's header; RFC 5227, section 2.1.1) asks for; None: it is none."""
    if len(packet) < _ARP.size:
        return None
    *kind, operation, sender, address, _, wanted = _ARP.unpack_from(packet)
    if tuple(kind) != _IPV4_ON_ETHERNET or operation != arp.REQUEST or address != bytes(4):
        return None
    return Question(IPv4Address(wanted), sender.hex(":"))


def nd_question(packet: bytes) -> Question | None:
    """What a neighbour solicitation (ICMPv6, RFC 4861, section 4.3) asks for that comes from no address, which has no
    hardware address in it, then (RFC 4861, section 4.3); ours have it as their nonce. None: it is none of these.
    """
    if len(packet) < _ADVERTISEMENT_LENGTH or packet[0] != nd.SOLICITATION:
        return None
    options = dict(_options(packet[_ADVERTISEMENT_LENGTH:]))
    if nd.SOURCE_LINK_LAYER in options:
        return None  # it comes from an address, and asks for a neighbour
    nonce = options.get(nd.NONCE, b"")
    return Question(IPv6Address(packet[8:24]), nonce.hex(":") if len(nonce) == 6 else "")


def _options(rest: bytes) -> Iterator[tuple[int, bytes]]:
    """The options of a message, each by its kind, as far as they are whole."""
    while len(rest) >= 8 and rest[1]:
        yield rest[0], rest[2 : 8 * rest[1]]
        rest = rest[8 * rest[1] :]
