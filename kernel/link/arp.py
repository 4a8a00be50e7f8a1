"""Gratuitous ARP: telling the networks that an address is at this machine now (RFC 5227, section 3)."""

from __future__ import annotations

import socket
import struct
from collections.abc import Collection, Iterable, Iterator
from errno import ENETDOWN, ENODEV, ENXIO
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

from svcc.kernel.link.difference import PART
from svcc.kernel.link.links import Link
from svcc.kernel.steps import StepError

_ETHERTYPE = 0x0806  # ETH_P_ARP
_REQUEST, _REPLY = 1, 2
_EVERYBODY = b"\xff" * 6
#: Values of arp_ignore with which a link answers for no address of another device (ip-sysctl.rst).
SILENT = (1, 2, 8)


def announce(addresses: Collection[IPv4Address], links: Iterable[Link]) -> None:
    """Tell each link whose networks hold an address that it is here, as a request and as a reply: some take only one.

    Not where the link would not answer for it either. ``links``: the machine's devices. Errors: StepError.
    """
    for name, mac, networks in _answering(links):
        for address in addresses:
            if any(address in network for network in networks):
                _tell(name, mac, address)


def _answering(links: Iterable[Link]) -> Iterator[tuple[str, bytes, list[IPv4Network]]]:
    """The links of Ethernet that are up and answer for addresses of other devices: name, address, networks."""
    for link in links:
        if link.type != "ether" or "UP" not in link.flags or "NOARP" in link.flags:
            continue
        networks = [*_networks(link)]
        if networks and max(ignored("all"), ignored(link.name)) not in SILENT:
            yield link.name, bytes.fromhex(link.hardware.replace(":", "")), networks


def _networks(link: Link) -> Iterator[IPv4Network]:
    for held in link.addresses:
        if held.version == 4 and held.length < 32:
            yield IPv4Network((held.address, held.length), strict=False)


def ignored(link: str) -> int:
    """A link's arp_ignore; ``all`` is for each of them, and the greater of the two holds. 0: there is no such link."""
    try:
        return int(Path("/proc/sys/net/ipv4/conf", link, "arp_ignore").read_text())
    except FileNotFoundError:
        return 0


def packets(mac: bytes, address: IPv4Address) -> Iterator[bytes]:
    """The frames that announce an address."""
    for operation, target in ((_REQUEST, bytes(6)), (_REPLY, mac)):
        ethernet = _EVERYBODY + mac + struct.pack("!H", _ETHERTYPE)
        arp = struct.pack("!HHBBH", 1, 0x0800, 6, 4, operation)
        yield ethernet + arp + mac + address.packed + target + address.packed


def _tell(link: str, mac: bytes, address: IPv4Address) -> None:
    try:
        with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as sender:
            for frame in packets(mac, address):
                sender.sendto(frame, (link, _ETHERTYPE))
    except OSError as error:
        if error.errno not in (ENETDOWN, ENODEV, ENXIO):  # a link that has just gone has nobody to be told
            raise StepError(PART, f"cannot announce {address} on {link}: {error.strerror}") from error
