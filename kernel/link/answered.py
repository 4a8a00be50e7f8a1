"""Which links answer neighbour solicitations for an IPv6 address of a device, as the states of devices have it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from svcc.kernel.link.devices import NODAD, Devices

_NOBODY = "unanswered"
_SOME = "answered on"


@dataclass(frozen=True, slots=True)
class Answered:
    """What an address of a device has, and which links answer for it."""

    option: str  # NODAD, or "" where it is announced
    links: frozenset[str] | None  # None: those that should

    @classmethod
    def parse(cls, options: str) -> Answered:
        """What ``str()`` printed: the options of an address in a :class:`~svcc.kernel.link.devices.Device`."""
        option = NODAD if options.startswith(NODAD) else ""
        said = options.removeprefix(option).strip()
        if not said:
            return cls(option, None if not option else frozenset())
        return cls(option, frozenset(said.removeprefix(_SOME if said != _NOBODY else _NOBODY).split()))

    def __str__(self) -> str:
        if self.links is None or (self.option and not self.links):
            return self.option
        said = f"{_SOME} {' '.join(sorted(self.links))}" if self.links else _NOBODY
        return f"{self.option} {said}".strip()


def option_of(address: str, options: str) -> str:
    """What ``ip address`` is given with an address."""
    return Answered.parse(options).option if ":" in address else options


def answers(devices: Devices) -> dict[str, frozenset[str] | None]:
    """By IPv6 address, with the length of its prefix, which links answer for it (:attr:`Answered.links`)."""
    return {
        address: Answered.parse(options).links
        for device in devices.values()
        for address, options in device.addresses.items()
        if ":" in address
    }


def answers_to_change(live: Devices, wanted: Devices) -> Mapping[str, frozenset[str] | None]:
    """The addresses for which other links are to answer than do, and which."""
    old, new = answers(live), answers(wanted)
    nobody: frozenset[str] = frozenset()
    return {
        address: new.get(address, nobody)
        for address in (*new, *(old.keys() - new.keys()))
        if old.get(address, nobody) != new.get(address, nobody)
    }
