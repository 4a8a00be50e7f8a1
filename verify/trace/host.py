"""The node into which artifacts are loaded: its addresses, its devices and its settings."""

from __future__ import annotations

from dataclasses import dataclass, field

from svcc.compiler import ir
from svcc.verify.trace.flow import LOOPBACK, SOME_DEVICE


@dataclass(slots=True)
class Host:
    """The node. Where no artifact says anything, it is like any running router."""

    own: tuple[ir.Address, ...] = ()  # its addresses before anything was loaded, the main one first
    addresses: set[ir.Address] = field(default_factory=set)  # all addresses except loopback
    devices: set[str] = field(default_factory=set)  # the devices that artifacts made
    networks: dict[ir.Network, str] = field(default_factory=dict)  # the networks behind these devices
    settings: dict[str, str] | None = None  # by name; None: no artifact sets any

    def is_local(self, address: ir.Address) -> bool:
        """Whether packets to an address are for the host itself. Loopback addresses are included."""
        return address in self.addresses or _is_loopback(int(address), address.version)

    def route(self, address: ir.Address) -> str:
        """Return the device by which a packet to an address leaves."""
        if self.is_local(address):
            return LOOPBACK
        return next((device for network, device in self.networks.items() if address in network), SOME_DEVICE)

    def address_type(self, address: ir.Address) -> str:
        """Return the routing table's type of an address (``ip route``): local, multicast, broadcast or unicast."""
        if self.is_local(address):
            return "local"
        number, version = int(address), address.version
        if _is_multicast(number, version):
            return "multicast"
        return "broadcast" if version == 4 and number == 2**32 - 1 else "unicast"

    def forwards(self, version: int) -> bool:
        """Whether the node forwards packets.

        Where artifacts only have settings about ARP and ND, the machine is taken to forward.
        """
        name = "net.ipv4.ip_forward" if version == 4 else "net.ipv6.conf.all.forwarding"
        if self.settings is None or all("arp" in one or "proxy_ndp" in one for one in self.settings):
            return True
        return self.setting(name) not in (None, "0")

    def setting(self, name: str) -> str | None:
        """Return the value of a sysctl. Return None where it is not set, or the host's settings are unknown."""
        return None if self.settings is None else self.settings.get(name)


def _is_loopback(number: int, version: int) -> bool:
    """Whether an address, by its number, is in 127.0.0.0/8 or is ::1. Looking in networks takes ten times as long."""
    return number >> 24 == 127 if version == 4 else number == 1


def _is_multicast(number: int, version: int) -> bool:
    """Whether an address, by its number, is in 224.0.0.0/4 or ff00::/8."""
    return number >> 28 == 0xE if version == 4 else number >> 120 == 0xFF
