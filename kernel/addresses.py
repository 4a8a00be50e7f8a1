"""The types of addresses, networks and ports that all of the kernel's subsystems share."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from socket import inet_ntoa
from typing import Protocol, TypeAlias

Address: TypeAlias = IPv4Address | IPv6Address
Network: TypeAlias = IPv4Network | IPv6Network


class Ports(Protocol):
    """The ports ``first`` to ``last``, both included."""

    @property
    def first(self) -> int:
        """The lowest port."""

    @property
    def last(self) -> int:
        """The highest port, which is included."""


def text_of(address: Address) -> str:
    """Return ``str(address)``, several times faster, as there may be a hundred thousand addresses."""
    text: str | None = getattr(address, "text", None)  # an address that was read from text may have kept it
    if text is not None:
        return text
    if isinstance(address, IPv4Address):
        return inet_ntoa(int(address).to_bytes(4, "big"))
    return str(address)
