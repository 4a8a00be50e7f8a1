"""Devices of any kind, with their addresses and networks."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network

from svcc.kernel.link.devices import NODAD, Device


@dataclass(frozen=True, slots=True)
class DeviceAddress:
    """An address on a device."""

    address: str  # "" where a device has none of its own, but only a peer's
    length: int  # of the prefix
    version: int  # 4 or 6
    scope: str  # global, link, host, …
    nodad: bool = False


@dataclass(frozen=True, slots=True)
class Link:
    """A device of any kind."""

    name: str
    kind: str = ""  # dummy, bridge, …; "" for hardware and the loopback
    alias: str = ""
    type: str = ""  # ether, loopback, …
    hardware: str = ""  # its hardware address
    flags: frozenset[str] = frozenset()  # UP, NOARP, …
    addresses: tuple[DeviceAddress, ...] = ()

    @property
    def has_neighbours(self) -> bool:
        """Whether machines on the link ask each other who has an address: it is of Ethernet, and up."""
        return self.type == "ether" and "UP" in self.flags and "NOARP" not in self.flags

    @property
    def mac(self) -> bytes:
        """The hardware address as frames have it; on Ethernet, six bytes."""
        return bytes.fromhex(self.hardware.replace(":", ""))

    def faces(self, address: IPv4Address | IPv6Address) -> bool:
        """Whether an address is in one of the link's networks, so that machines on the link ask who has it."""
        return any(address in network for network in self.networks(address.version))

    def networks(self, version: int) -> list[IPv4Network | IPv6Network]:
        """Return the networks that the link has an address in, without those of a single address. ``version``: 4 or
        6."""
        own = [held for held in self.addresses if held.version == version and held.scope != "link"]
        found = [ip_network((held.address, held.length), strict=False) for held in own if held.address]
        return [network for network in found if network.num_addresses > 1]

    def device(self) -> Device:
        """Return the link as a dummy device's state, without the addresses that the kernel adds itself (fe80::/64)."""
        kept = [held for held in self.addresses if (held.version, held.scope) != (6, "link")]
        addresses = {f"{held.address}/{held.length}": _options(held) for held in kept}
        return Device(self.name, "UP" in self.flags, addresses, self.alias)


def _options(held: DeviceAddress) -> str:
    if held.version == 6:
        return NODAD if held.nodad else ""
    return "" if held.scope == "global" else f"scope {held.scope}"
