"""Read and change proxy entries (ip-neighbour(8)), by which links answer neighbour solicitations for the IPv6 addresses
of another device.

The kernel answers them (RFC 4861, section 7.2.8) where ``proxy_ndp`` is 1 and the link has an entry for the address.
Our entries have a protocol number of svcc's own. An entry without it is somebody else's and stays. A link that has one
answers, and needs none of ours.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from ipaddress import IPv6Address
from typing import TypeAlias

from svcc.kernel import tools
from svcc.kernel.json_values import items, members, parsed_of_ip, string
from svcc.kernel.link.answered import Answered
from svcc.kernel.link.devices import Device
from svcc.kernel.link.difference import PART, Command
from svcc.kernel.link.links import Link

#: The number that says that an entry is svcc's (NDA_PROTOCOL); neither rtnetlink nor routing daemons use it.
PROTOCOL = 83

#: For each address the links that have an entry for it, and whether that entry is ours.
Entries: TypeAlias = Mapping[str, Mapping[str, bool]]


def due(address: str, links: Iterable[Link]) -> set[str]:
    """Return the links that should answer for an announced address: those whose networks hold it."""
    wanted = IPv6Address(address)
    return {link.name for link in links if link.has_neighbours and any(wanted in net for net in link.networks(6))}


def with_answers(
    devices: Mapping[str, Device], announced: Collection[str], links: Collection[Link]
) -> dict[str, Device]:
    """Return devices that were read, with the links that answer for each IPv6 address, unless these are just those that
    should.

    ``announced``: the addresses that bundles announce. Addresses that links answer for and no device has are given as
    those of a device named "". Errors: StepError.
    """
    asked = {*announced, *(_bare(it) for device in devices.values() for it in _announced(device))}
    if not asked:
        return dict(devices)
    known = entries()
    found = {name: _with_answers(device, asked, known, links) for name, device in devices.items()}
    held = {_bare(address) for device in devices.values() for address in device.addresses}
    rest = {address: ours for address in sorted(asked - held) if (ours := _ours(known, address))}
    if rest:
        left = {f"{address}/128": str(Answered("", frozenset(ours))) for address, ours in rest.items()}
        found[""] = Device("", False, left)
    return found


def _with_answers(device: Device, asked: Collection[str], known: Entries, links: Collection[Link]) -> Device:
    addresses = dict(device.addresses)
    for address, option in device.addresses.items():
        if _bare(address) in asked:
            ours = _ours(known, _bare(address))
            as_due = not option and ours == _lacking(_bare(address), known, links)
            addresses[address] = str(Answered(option, None if as_due else frozenset(ours)))
    return Device(device.name, device.up, addresses, device.alias)


def _announced(device: Device) -> Iterator[str]:
    return (address for address, options in device.addresses.items() if ":" in address and not options)


def _bare(address: str) -> str:
    return address.partition("/")[0]


def _ours(known: Entries, address: str) -> set[str]:
    return {link for link, ours in known.get(address, {}).items() if ours}


def _lacking(address: str, known: Entries, links: Iterable[Link]) -> set[str]:
    """Return the links that should have an entry of ours: they should answer, and have no entry of somebody else's."""
    return due(address, links) - {link for link, ours in known.get(address, {}).items() if not ours}


def entries() -> dict[str, dict[str, bool]]:
    """Return all proxy entries of IPv6. Errors: StepError."""
    listed = tools.read(PART, ["ip", "-6", "-Numeric", "-json", "neighbour", "show", "proxy"])
    found: dict[str, dict[str, bool]] = defaultdict(dict)
    with tools.understood(PART, "ip"):
        for one in map(members, items(parsed_of_ip(listed))):
            found[string(one["dst"])][string(one.get("dev", ""))] = str(one.get("protocol", "")) == str(PROTOCOL)
    return dict(found)


def commands(wanted: Mapping[str, frozenset[str] | None], known: Entries, links: Collection[Link]) -> Iterator[Command]:
    """Yield the commands after which the wanted links answer for each address, and no others (:attr:`Answered.links`).

    ``wanted``: by the address with the length of its prefix. ``known``: the entries that exist.
    """
    for address, on in wanted.items():
        bare = _bare(address)
        ours = _ours(known, bare)
        right = _lacking(bare, known, links) if on is None else on
        for verb, some in (("del", ours - right), ("add", right - ours)):
            yield from (Command("neighbour", verb, link, bare, f"protocol {PROTOCOL}") for link in sorted(some))
