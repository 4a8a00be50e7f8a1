"""Read the devices of a network namespace."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

from svcc.kernel import tools
from svcc.kernel.json_values import Json, integer, items, members, parsed_of_ip, string, strings
from svcc.kernel.link.devices import Device
from svcc.kernel.link.difference import PART
from svcc.kernel.link.links import DeviceAddress, Link
from svcc.kernel.link.proxies import with_answers


def links() -> list[Link]:
    """Return the devices of the calling thread's network namespace. Errors: StepError."""
    listed = tools.read(PART, ["ip", "-details", "-json", "address", "show"])
    with tools.understood(PART, "ip"):  # older releases print {} for a device that they filter out
        return [_link(members(one)) for one in items(parsed_of_ip(listed)) if one]


def read_devices(ours: Callable[[Link], bool], announced: Collection[str] = ()) -> dict[str, Device]:
    """Return our devices, by name. ``ours``: says which links are ours. ``announced``: the IPv6 addresses for which
    links may answer because of us. Errors: StepError."""
    if tools.find("ip") is None:
        return {}
    found = links()
    return with_answers({link.name: link.device() for link in found if ours(link)}, announced, found)


def _link(one: Mapping[str, Json]) -> Link:
    return Link(
        string(one["ifname"]),
        string(members(one.get("linkinfo", {})).get("info_kind", "")),
        str(one.get("ifalias", "")),
        string(one.get("link_type", "")),
        string(one.get("address", "")),
        frozenset(strings(one["flags"])),
        tuple(_held(members(shown)) for shown in items(one["addr_info"])),
    )


def _held(shown: Mapping[str, Json]) -> DeviceAddress:
    return DeviceAddress(
        string(shown.get("local", "")),
        integer(shown["prefixlen"]),
        6 if shown["family"] == "inet6" else 4,
        string(shown["scope"]),
        bool(shown.get("nodad")),
    )
