"""Frames of ARP: that an address is at this machine now (RFC 5227, section 3), and whether anybody has one."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from ipaddress import IPv4Address
from pathlib import Path

ETHERTYPE = 0x0806  # ETH_P_ARP
REQUEST, _REPLY = 1, 2
_EVERYBODY = b"\xff" * 6
#: Values of arp_ignore with which a link answers for no address of another device (ip-sysctl.rst).
SILENT = (1, 2, 8)


def ignored(link: str) -> int:
    """A link's arp_ignore; ``all`` is for each of them, and the greater of the two holds. 0: there is no such link."""
    try:
        return int(Path("/proc/sys/net/ipv4/conf", link, "arp_ignore").read_text())
    except FileNotFoundError:
        return 0


def packets(mac: bytes, address: IPv4Address) -> Iterator[bytes]:
    """The frames that announce an address, as a request and as a reply: some take only one of the two."""
    for operation, target in ((REQUEST, bytes(6)), (_REPLY, mac)):
        yield _frame(mac, operation, address, target, address)


def probe(mac: bytes, address: IPv4Address) -> bytes:
    """The frame that asks whether anybody has an address (RFC 5227, section 2.1.1): nobody learns anything of it."""
    return _frame(mac, REQUEST, IPv4Address(0), bytes(6), address)


def _frame(mac: bytes, operation: int, sender: IPv4Address, target: bytes, address: IPv4Address) -> bytes:
    ethernet = _EVERYBODY + mac + struct.pack("!H", ETHERTYPE)
    arp = struct.pack("!HHBBH", 1, 0x0800, 6, 4, operation)
    return ethernet + arp + mac + sender.packed + target + address.packed
