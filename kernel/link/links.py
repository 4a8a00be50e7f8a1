"""A device of any kind, with all that is asked of it."""

from __future__ import annotations

from dataclasses import dataclass

from svcc.kernel.link.devices import NODAD, Device


@dataclass(frozen=True, slots=True)
class Held:
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
    kind: str = ""  # dummy, bridge, …; "": a piece of hardware, or the loopback
    alias: str = ""
    type: str = ""  # ether, loopback, …
    hardware: str = ""  # its hardware address
    flags: frozenset[str] = frozenset()  # UP, NOARP, …
    addresses: tuple[Held, ...] = ()

    def device(self) -> Device:
        """What somebody set of it: the kernel itself puts fe80::/64 on every device."""
        kept = [held for held in self.addresses if (held.version, held.scope) != (6, "link")]
        addresses = {f"{held.address}/{held.length}": _options(held) for held in kept}
        return Device(self.name, "UP" in self.flags, addresses, self.alias)


def _options(held: Held) -> str:
    if held.version == 6:
        return NODAD if held.nodad else ""
    return "" if held.scope == "global" else f"scope {held.scope}"
