"""The devices that there are."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from svcc.kernel import tools
from svcc.kernel.link.devices import Device
from svcc.kernel.link.difference import PART
from svcc.kernel.link.links import Held, Link


def links() -> list[Link]:
    """The devices of the calling thread's network namespace. Errors: StepError."""
    said = tools.read(PART, ["ip", "-details", "-json", "address", "show"])
    return [_link(one) for one in json.loads(said or "[]") if one]  # older releases leave {} for what they filter out


def read_devices(ours: Callable[[Link], bool]) -> dict[str, Device]:
    """Our devices. Errors: StepError."""
    if tools.find("ip") is None:
        return {}
    return {link.name: link.device() for link in links() if ours(link)}


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
