"""Hear other machines say that they have an address, by ARP (RFC 5227, section 2.4) or by neighbour advertisements, and
ask whether anybody has an address that they are about to take.
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
_ICMP6_FILTER = 1  # linux/icmpv6.h: each bit that is set keeps a type out
_HOP_LIMIT = 255  # packets from the link itself have it (RFC 4861, section 7.1.2)
_LARGEST = 2048
_ADVERTISEMENT_LENGTH = 24  # without options; a solicitation has as much


@dataclass(frozen=True, slots=True)
class Claim:
    """A message in which a machine says that it has an address."""

    address: IPv4Address | IPv6Address
    hardware: str  # the machine's hardware address, as ``ip`` writes it


@dataclass(frozen=True, slots=True)
class Question:
    """A message in which a machine asks whether anybody has an address."""

    address: IPv4Address | IPv6Address
    hardware: str  # the machine's hardware address, as ``ip`` writes it; "": the message does not say it


class Listener:
    """Two sockets that receive ARP and neighbour advertisements on all links of a network namespace.

    ``questions``: whether they also receive neighbour solicitations, to the groups that some socket there joined.
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
        """Yield the claims that came since the last call. It does not wait."""
        return (one for one in self.all_heard() if isinstance(one, Claim))

    def all_heard(self) -> Iterator[Claim | Question]:
        """Yield the claims and questions that came since the last call. It does not wait."""
        while (packet := _packet(self.arp)) is not None:
            if (message := arp_claim(packet[0]) or arp_question(packet[0])) is not None:
                yield message
        while (packet := _packet(self.nd)) is not None:
            if packet[1] == _HOP_LIMIT and (message := nd_claim(packet[0]) or nd_question(packet[0])) is not None:
                yield message

    def close(self) -> None:
        """Close both sockets."""
        self.arp.close()
        self.nd.close()


def _packet(one: socket.socket) -> tuple[bytes, int] | None:
    """Return a packet and its hop limit; None where no packet waits."""
    try:
        data, extra, _, _ = one.recvmsg(_LARGEST, socket.CMSG_SPACE(4))
    except BlockingIOError:
        return None
    except OSError:  # the link went down meanwhile, which the kernel reports once
        return b"", 0
    hops = [value for level, kind, value in extra if (level, kind) == (socket.IPPROTO_IPV6, socket.IPV6_HOPLIMIT)]
    return data, struct.unpack("=i", hops[0])[0] if hops else 0


def arp_claim(packet: bytes) -> Claim | None:
    """Return the claim that an ARP packet (without Ethernet's header) makes for its sender; None where it makes none,
    as a probe, which has no sender's address."""
    if len(packet) < _ARP.size:
        return None
    *kind, _, sender, address, _, _ = _ARP.unpack_from(packet)
    if tuple(kind) != _IPV4_ON_ETHERNET or address == bytes(4):
        return None
    return Claim(IPv4Address(address), sender.hex(":"))


def nd_claim(packet: bytes) -> Claim | None:
    """Return the claim of a neighbour advertisement (ICMPv6, RFC 4861, section 4.4); None where the packet is none, or
    does not say the hardware address."""
    if len(packet) < _ADVERTISEMENT_LENGTH or packet[0] != nd.ADVERTISEMENT:
        return None
    options = _options(packet[_ADVERTISEMENT_LENGTH:])
    hardware = next((value for kind, value in options if kind == nd.TARGET_LINK_LAYER and len(value) == 6), None)
    return None if hardware is None else Claim(IPv6Address(packet[8:24]), hardware.hex(":"))


def arp_question(packet: bytes) -> Question | None:
    """Return the question of an ARP probe (without Ethernet's header; RFC 5227, section 2.1.1); None where the packet
    is none."""
    if len(packet) < _ARP.size:
        return None
    *kind, operation, sender, address, _, wanted = _ARP.unpack_from(packet)
    if tuple(kind) != _IPV4_ON_ETHERNET or operation != arp.REQUEST or address != bytes(4):
        return None
    return Question(IPv4Address(wanted), sender.hex(":"))


def nd_question(packet: bytes) -> Question | None:
    """Return the question of a neighbour solicitation that comes from no address (ICMPv6, RFC 4861, section 4.3); None
    where the packet is none. Such a solicitation does not say its sender's hardware address; svcc's own have it as
    their nonce.
    """
    if len(packet) < _ADVERTISEMENT_LENGTH or packet[0] != nd.SOLICITATION:
        return None
    options = dict(_options(packet[_ADVERTISEMENT_LENGTH:]))
    if nd.SOURCE_LINK_LAYER in options:
        return None  # it comes from an address, and looks for a neighbour
    nonce = options.get(nd.NONCE, b"")
    return Question(IPv6Address(packet[8:24]), nonce.hex(":") if len(nonce) == 6 else "")


def _options(rest: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield the kind and the value of each option of a message, up to the first that is cut off."""
    while len(rest) >= 8 and rest[1]:
        yield rest[0], rest[2 : 8 * rest[1]]
        rest = rest[8 * rest[1] :]
