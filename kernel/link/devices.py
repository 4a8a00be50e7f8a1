"""A dummy device with addresses, printed and parsed as ``ip -batch`` reads it.

An IPv4 address of scope host is one that the machine answers no ARP for under ``arp_ignore = 3`` (ip-sysctl.rst). An
IPv6 address of another device is never answered for, but where a link has a proxy entry for it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from svcc.kernel.json_values import Json, items, members, string

#: The most characters of a device's name (IFNAMSIZ with its final zero).
DEVICE_NAME = 15
#: What follows an address: it is announced on no network.
QUIET = "scope host"
#: No other machine is asked whether it has the address, too. On a dummy device none is without that either
#: (addrconf_dad_begin): so whether it is there says which IPv6 addresses are announced, and no packet sees it.
NODAD = "nodad"

_ADDED = re.compile(r"^link add (\S+) type dummy$", re.MULTILINE)
_ANNOUNCED = re.compile(r"^address replace ([0-9a-f:]+)/128 dev \S+$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Device:
    """A dummy device."""

    name: str
    up: bool
    #: "198.19.10.0/32" -> QUIET, "2001:db8::7/128" -> NODAD; "" where it is announced. Where links do not answer for an
    #: IPv6 address as they should, what was read says which ones do (:mod:`svcc.kernel.link.proxies`).
    addresses: Mapping[str, str]
    alias: str = ""  # says whose it is

    def lines(self) -> list[str]:
        """What ``ip -batch`` reads to make it, without line ends."""
        lines = [f"link add {self.name} type dummy"]
        if self.alias:
            lines.append(f"link set {self.name} alias {self.alias}")
        if self.up:
            lines.append(f"link set {self.name} up")
        for address, options in self.addresses.items():
            lines.append(f"address replace {address} dev {self.name}{' ' if options else ''}{options}")
        return lines

    def announced(self) -> list[str]:
        """The addresses that are announced, with the length of their prefix."""
        return [address for address, options in self.addresses.items() if not options]


#: By name. There are several only while one takes over from another.
Devices: TypeAlias = Mapping[str, Device]


def devices_text(devices: Iterable[Device]) -> str:
    """What ``ip -batch`` reads to make the devices.

    Loading it again needs ``-force``: the kernel has no way to say "create unless it is there" for a device.
    """
    return "".join(f"{line}\n" for device in devices for line in device.lines())


def parse_devices(text: str) -> dict[str, Device]:
    """What :func:`devices_text` printed. Errors: ValueError, with the line."""
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
                raise ValueError(f"line {number}: not what makes a dummy device with addresses: {line}")
    return {name: Device(name, name in up, addresses, aliases.get(name, "")) for name, addresses in found.items()}


def names_of_text(text: str) -> Iterator[str]:
    """The names of a text's devices, without all that they have."""
    for found in _ADDED.finditer(text):
        yield found[1]


def announced_in(text: str) -> Iterator[str]:
    """The IPv6 addresses that a text announces, without all else."""
    for found in _ANNOUNCED.finditer(text):
        yield found[1]


# -- JSON -------------------------------------------------------------------------------------------------------------


def dump_devices(devices: Devices) -> Json:
    """The devices as JSON."""
    return {name: [device.up, dict(device.addresses), device.alias] for name, device in devices.items()}


def load_devices(data: object) -> dict[str, Device]:
    """What :func:`dump_devices` made. Errors: ValueError, TypeError."""
    return {name: _loaded(name, *items(dumped)) for name, dumped in members(data).items()}


def _loaded(name: str, up: Json, addresses: Json, alias: Json) -> Device:
    held = {address: string(options) for address, options in members(addresses).items()}
    return Device(name, bool(up), held, string(alias))
