"""Find where the kernel does not forward packets. It looks at the device that a packet comes from, and IPv4 and IPv6
work differently there (ip-sysctl)."""

from __future__ import annotations

import socket
from dataclasses import dataclass

from svcc.kernel.sysctl.loading import value_of
from svcc.kernel.sysctl.settings import of_device

#: What switches forwarding on for all devices, and for the packets that come from one. IPv6 has the latter since Linux
#: 6.17: a device's `forwarding` makes a router of it in the eyes of its network, and forwards nothing.
_EVERYWHERE = {4: "net.ipv4.ip_forward", 6: "net.ipv6.conf.all.forwarding"}
_OF_DEVICE = {4: "forwarding", 6: "force_forwarding"}


@dataclass(frozen=True, slots=True)
class Forwarding:
    """How packets of one family are forwarded."""

    family: int
    everywhere: bool  # whether it was switched on for all devices; of IPv4 a device may have it off nevertheless
    off: tuple[str, ...]  # the devices whose packets are not forwarded
    on: tuple[str, ...]  # those whose packets are

    @property
    def nowhere(self) -> bool:
        """Whether nothing is forwarded, and one setting would change that for all devices."""
        return not self.everywhere and not self.on

    def remedy(self, device: str = "") -> str:
        """Return the command that has packets from a device forwarded, or from all of them."""
        return f"sysctl -w {_key(self.family, device) if device else _EVERYWHERE[self.family]}=1"


def forwarding(family: int) -> Forwarding:
    """Return how the calling thread's network namespace forwards packets of a family. What cannot be read is on."""
    everywhere = value_of(_EVERYWHERE[family]) != "0"
    off = {device: _is_off(family, device, everywhere=everywhere) for device in _devices()}
    return Forwarding(family, everywhere, tuple(d for d in off if off[d]), tuple(d for d in off if not off[d]))


def _is_off(family: int, device: str, *, everywhere: bool) -> bool:
    value = value_of(_key(family, device))
    return value == "0" if family == 4 else not everywhere and value != "1"


def _key(family: int, device: str) -> str:
    return of_device(family, device, _OF_DEVICE[family])


def _devices() -> list[str]:
    return sorted(name for _, name in socket.if_nameindex() if name != "lo")
