"""Proxy entries (ip-neighbour(8)): which links answer neighbour solicitations for the IPv6 addresses of another device.

The kernel answers them (RFC 4861, section 7.2.8) where ``proxy_ndp`` is 1 and the link has an entry for the address.
Ours have a protocol number of svcc's own. An entry without it is somebody else's and stays; where one is, the
link answers, and needs none of ours.
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

#: Says that an entry is svcc's (NDA_PROTOCOL); rtnetlink's own numbers and those of routing daemons are others.
PROTOCOL = 83

#: By address, the links that have an entry, and whether it is ours.
Entries: TypeAlias = Mapping[str, Mapping[str, bool]]


def due(address: str, links: Iterable[Link]) -> set[str]:
    """The links that should answer for an address that is announced: those whose networks hold it."""
    wanted = IPv6Address(address)
    return {link.name for link in links if link.has_neighbours and any(wanted in net for net in link.networks(6))}


def with_answers(
    devices: Mapping[str, Device], announced: Collection[str], links: Collection[Link]
) -> dict[str, Device]:
    """The devices that were read, where each IPv6 address says which links answer for it, unless all do that should.

    ``announced``: addresses that bundles announce. What links answer for, and no device has, is below the name "".
    """
    asked = {*announced, *(_bare(it) for device in devices.values() for it in _announced(device))}
    if not asked:
        return dict(devices)
    there = entries()
    found = {name: _with_answers(device, asked, there, links) for name, device in devices.items()}
    held = {_bare(address) for device in devices.values() for address in device.addresses}
    rest = {address: ours for address in sorted(asked - held) if (ours := _ours(there, address))}
    if rest:
        left = {f"{address}/128": str(Answered("", frozenset(ours))) for address, ours in rest.items()}
        found[""] = Device("", False, left)
    return found


def _with_answers(device: Device, asked: Collection[str], there: Entries, links: Collection[Link]) -> Device:
    addresses = dict(device.addresses)
    for address, option in device.addresses.items():
        if _bare(address) in asked:
            ours = _ours(there, _bare(address))
            as_due = not option and ours == _lacking(_bare(address), there, links)
            addresses[address] = str(Answered(option, None if as_due else frozenset(ours)))
    return Device(device.name, device.up, addresses, device.alias)


def _announced(device: Device) -> Iterator[str]:
    return (address for address, options in device.addresses.items() if ":" in address and not options)


def _bare(address: str) -> str:
    return address.partition("/")[0]


def _ours(there: Entries, address: str) -> set[str]:
    return {link for link, ours in there.get(address, {}).items() if ours}


def _lacking(address: str, there: Entries, links: Iterable[Link]) -> set[str]:
    """The links that should have an entry of ours: they should answer, and nobody else has them do it."""
    return due(address, links) - {link for link, ours in there.get(address, {}).items() if not ours}


def entries() -> dict[str, dict[str, bool]]:
    """All proxy entries of IPv6. Errors: StepError."""
    said = tools.read(PART, ["ip", "-6", "-Numeric", "-json", "neighbour", "show", "proxy"])
    found: dict[str, dict[str, bool]] = defaultdict(dict)
    with tools.understood(PART, "ip"):
        for one in map(members, items(parsed_of_ip(said))):
            found[string(one["dst"])][string(one.get("dev", ""))] = str(one.get("protocol", "")) == str(PROTOCOL)
    return dict(found)


def commands(wanted: Mapping[str, frozenset[str] | None], there: Entries, links: Collection[Link]) -> Iterator[Command]:
    """What has links answer for each address, with the length of its prefix, as is wanted (:attr:`Answered.links`)."""
    for address, on in wanted.items():
        bare = _bare(address)
        ours = _ours(there, bare)
        right = _lacking(bare, there, links) if on is None else on
        for verb, some in (("del", ours - right), ("add", right - ours)):
            yield from (Command("neighbour", verb, link, bare, f"protocol {PROTOCOL}") for link in sorted(some))
