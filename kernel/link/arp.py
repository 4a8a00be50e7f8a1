"""Make the ARP frames that announce an address (RFC 5227, section 3), and those that ask whether anybody has it."""

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
    """Return a link's ``arp_ignore``; 0 where there is no such link. Of the value for ``all`` and that of a link, the
    greater one holds for the link (ip-sysctl.rst)."""
    try:
        return int(Path("/proc/sys/net/ipv4/conf", link, "arp_ignore").read_text())
    except FileNotFoundError:
        return 0


def packets(mac: bytes, address: IPv4Address) -> Iterator[bytes]:
    """Yield the frames that announce an address: a request and a reply, because some machines take only one of them."""
    for operation, target in ((REQUEST, bytes(6)), (_REPLY, mac)):
        yield _frame(mac, operation, address, target, address)


def probe(mac: bytes, address: IPv4Address) -> bytes:
    """Return the frame that asks whether anybody has an address (RFC 5227, section 2.1.1). Nobody changes an ARP cache
    because of it."""
    return _frame(mac, REQUEST, IPv4Address(0), bytes(6), address)


def _frame(mac: bytes, operation: int, sender: IPv4Address, target: bytes, address: IPv4Address) -> bytes:
    ethernet = _EVERYBODY + mac + struct.pack("!H", ETHERTYPE)
    arp = struct.pack("!HHBBH", 1, 0x0800, 6, 4, operation)
    return ethernet + arp + mac + sender.packed + target + address.packed
