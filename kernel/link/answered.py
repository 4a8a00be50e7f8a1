"""The part of a device's state that says which links answer neighbour solicitations for its IPv6 addresses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from svcc.kernel.link.devices import NODAD, Devices

_NOBODY = "unanswered"
_SOME = "answered on"


@dataclass(frozen=True, slots=True)
class Answered:
    """The option of a device's IPv6 address, and the links that answer for it."""

    option: str  # NODAD, or "" where the address is announced
    links: frozenset[str] | None  # None: those that should answer do, and no others

    @classmethod
    def parse(cls, options: str) -> Answered:
        """Return the object that was printed as ``options``, which an address has in a
        :class:`~svcc.kernel.link.devices.Device`."""
        option = NODAD if options.startswith(NODAD) else ""
        rest = options.removeprefix(option).strip()
        if not rest:
            return cls(option, None if not option else frozenset())
        return cls(option, frozenset(rest.removeprefix(_SOME if rest != _NOBODY else _NOBODY).split()))

    def __str__(self) -> str:
        if self.links is None or (self.option and not self.links):
            return self.option
        links = f"{_SOME} {' '.join(sorted(self.links))}" if self.links else _NOBODY
        return f"{self.option} {links}".strip()


def option_of(address: str, options: str) -> str:
    """Return the options that ``ip address`` is given with an address."""
    return Answered.parse(options).option if ":" in address else options


def answers(devices: Devices) -> dict[str, frozenset[str] | None]:
    """Return the links that answer for each IPv6 address (:attr:`Answered.links`), by the address with the length of
    its prefix."""
    return {
        address: Answered.parse(options).links
        for device in devices.values()
        for address, options in device.addresses.items()
        if ":" in address
    }


def answers_to_change(live: Devices, wanted: Devices) -> Mapping[str, frozenset[str] | None]:
    """Return the addresses for which other links are to answer than do now, with the links that are to answer."""
    old, new = answers(live), answers(wanted)
    nobody: frozenset[str] = frozenset()
    return {
        address: new.get(address, nobody)
        for address in (*new, *(old.keys() - new.keys()))
        if old.get(address, nobody) != new.get(address, nobody)
    }
