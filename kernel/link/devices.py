"""Dummy devices with addresses, printed and parsed in the form that ``ip -batch`` reads.

Under ``arp_ignore = 3``, the machine answers no ARP for an IPv4 address of scope host (ip-sysctl.rst). A link answers
for an IPv6 address of another device only where it has a proxy entry for it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from svcc.kernel.json_values import Json, items, members, string

#: The most characters of a device's name (IFNAMSIZ with its final zero).
DEVICE_NAME = 15
#: The options of an IPv4 address that is announced on no network.
QUIET = "scope host"
#: The option of an IPv6 address that is announced on no network. It tells the kernel not to ask whether another machine
#: has the address. On a dummy device the kernel never asks (addrconf_dad_begin), so the option changes nothing there,
#: and svcc uses it to tell which addresses are announced.
NODAD = "nodad"

_ADDED = re.compile(r"^link add (\S+) type dummy$", re.MULTILINE)
_ANNOUNCED = re.compile(r"^address replace ([0-9a-f:]+)/128 dev \S+$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Device:
    """A dummy device."""

    name: str
    up: bool
    #: The options of each address: "198.19.10.0/32" has QUIET, "2001:db8::7/128" NODAD, an announced one "". Where
    #: other links answer for an IPv6 address than should, a live state says which do
    #: (:mod:`svcc.kernel.link.answered`).
    addresses: Mapping[str, str]
    alias: str = ""  # says whose the device is

    def lines(self) -> list[str]:
        """Return the lines that ``ip -batch`` reads to make the device, without line ends."""
        lines = [f"link add {self.name} type dummy"]
        if self.alias:
            lines.append(f"link set {self.name} alias {self.alias}")
        if self.up:
            lines.append(f"link set {self.name} up")
        for address, options in self.addresses.items():
            lines.append(f"address replace {address} dev {self.name}{' ' if options else ''}{options}")
        return lines

    def announced(self) -> list[str]:
        """Return the addresses that are announced, each with the length of its prefix."""
        return [address for address, options in self.addresses.items() if not options]


#: Devices by name. There are several only while one takes over from another.
Devices: TypeAlias = Mapping[str, Device]


def devices_text(devices: Iterable[Device]) -> str:
    """Return the text that ``ip -batch`` reads to make the devices.

    To load it again, ``ip`` needs ``-force``: the kernel cannot be told to create a device unless it exists.
    """
    return "".join(f"{line}\n" for device in devices for line in device.lines())


def parse_devices(text: str) -> dict[str, Device]:
    """Return the devices in a text that :func:`devices_text` printed, by name. Errors: ValueError, with the line."""
    found: dict[str, dict[str, str]] = {}
    aliases: dict[str, str] = {}
    up = set()
    for number, line in enumerate(text.splitlines(), 1):
        match line.split():
            case ["link", "add", name, "type", "dummy"]:
                found[name] = {}
            case ["link", "set", name, "alias", alias] if name in found:
                aliases[name] = alias
            case ["link", "set", name, "up"] if name in found:
                up.add(name)
            case ["address", "replace", address, "dev", name, *options] if name in found:
                found[name][address] = " ".join(options)
            case _:
                raise ValueError(f"line {number}: this makes no dummy device with addresses: {line}")
    return {name: Device(name, name in up, addresses, aliases.get(name, "")) for name, addresses in found.items()}


def names_of_text(text: str) -> Iterator[str]:
    """Yield the names of the devices in a text, without parsing all of it."""
    for found in _ADDED.finditer(text):
        yield found[1]


def announced_in(text: str) -> Iterator[str]:
    """Yield the IPv6 addresses that a text announces, without parsing all of it."""
    for found in _ANNOUNCED.finditer(text):
        yield found[1]


# -- JSON -------------------------------------------------------------------------------------------------------------


def dump_devices(devices: Devices) -> Json:
    """Return the devices in JSON's types."""
    return {name: [device.up, dict(device.addresses), device.alias] for name, device in devices.items()}


def load_devices(data: object) -> dict[str, Device]:
    """Return the devices that :func:`dump_devices` was given. Errors: ValueError, TypeError."""
    return {name: _loaded(name, *items(dumped)) for name, dumped in members(data).items()}


def _loaded(name: str, up: Json, addresses: Json, alias: Json) -> Device:
    held = {address: string(options) for address, options in members(addresses).items()}
    return Device(name, bool(up), held, string(alias))
