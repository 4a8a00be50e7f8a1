"""Gratuitous ARP: telling the networks that an address is at this machine now (RFC 5227, section 3)."""

from __future__ import annotations

import socket
import struct
from collections.abc import Collection, Iterable, Iterator, Mapping
from errno import ENETDOWN, ENODEV, ENXIO
from ipaddress import IPv4Address, IPv4Network, ip_network
from pathlib import Path
from typing import Any

from svcc.kernel.steps import StepError

_ETHERTYPE = 0x0806  # ETH_P_ARP
_REQUEST, _REPLY = 1, 2
_EVERYBODY = b"\xff" * 6
#: Values of arp_ignore with which a link answers for no address of another device (ip-sysctl.rst).
SILENT = (1, 2, 8)


def announce(addresses: Collection[IPv4Address], listed: Iterable[Mapping[str, Any]]) -> None:
    """Tell each link whose networks hold an address that it is here, as a request and as a reply: some take only one.

    Not where the link would not answer for it either. ``listed``: the devices, as ``ip -json address`` has them.
    Errors: StepError.
    """
    for name, mac, networks in _links(listed):
        for address in addresses:
            if any(address in network for network in networks):
                _tell(name, mac, address)


def _links(listed: Iterable[Mapping[str, Any]]) -> Iterator[tuple[str, bytes, list[IPv4Network]]]:
    """The links of Ethernet that are up and answer for addresses of other devices: name, address, networks."""
    for one in listed:
        if one.get("link_type") != "ether" or "UP" not in one["flags"] or "NOARP" in one["flags"]:
            continue
        networks = [*_networks(one)]
        if networks and max(ignored("all"), ignored(one["ifname"])) not in SILENT:
            yield one["ifname"], bytes.fromhex(one["address"].replace(":", "")), networks


def _networks(one: Mapping[str, Any]) -> Iterator[IPv4Network]:
    for shown in one["addr_info"]:
        if shown["family"] == "inet" and shown["prefixlen"] < 32:
            network = ip_network(f"{shown['local']}/{shown['prefixlen']}", strict=False)
            if isinstance(network, IPv4Network):
                yield network


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
            raise StepError("ip", f"cannot announce {address} on {link}: {error.strerror}") from error
