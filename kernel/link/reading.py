"""The devices that there are."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping
from typing import Any

from svcc.kernel import tools
from svcc.kernel.link.devices import Device
from svcc.kernel.link.difference import PART
from svcc.kernel.link.links import Held, Link
from svcc.kernel.link.proxies import with_answers


def links() -> list[Link]:
    """The devices of the calling thread's network namespace. Errors: StepError."""
    said = tools.read(PART, ["ip", "-details", "-json", "address", "show"])
    return [_link(one) for one in json.loads(said or "[]") if one]  # older releases leave {} for what they filter out


def read_devices(ours: Callable[[Link], bool], announced: Collection[str] = ()) -> dict[str, Device]:
    """Our devices. ``announced``: IPv6 addresses that links may answer for because of us. Errors: StepError."""
    if tools.find("ip") is None:
        return {}
    there = links()
    return with_answers({link.name: link.device() for link in there if ours(link)}, announced, there)


def _link(one: Mapping[str, Any]) -> Link:
    held = [
        Held(
            shown.get("local", ""),
            shown["prefixlen"],
            6 if shown["family"] == "inet6" else 4,
            shown["scope"],
            bool(shown.get("nodad")),
        )
        for shown in one["addr_info"]
    ]
    return Link(
        one["ifname"],
        one.get("linkinfo", {}).get("info_kind", ""),
        str(one.get("ifalias", "")),
        one.get("link_type", ""),
        one.get("address", ""),
        frozenset(one["flags"]),
        tuple(held),
    )
