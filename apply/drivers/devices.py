"""The driver of the dummy devices that carry service addresses."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from typing import ClassVar

from svcc.apply.driver import Driver, Transition
from svcc.apply.scope import Scope
from svcc.kernel import tools
from svcc.kernel.link import difference, loading
from svcc.kernel.link.devices import (
    Devices,
    announced_in,
    dump_devices,
    load_devices,
    names_of_text,
    parse_devices,
)
from svcc.kernel.link.reading import links, read_devices
from svcc.kernel.steps import Change, Step
from svcc.targets.vip_device import is_ours, whose


class DeviceDriver(Driver[Devices]):
    """The driver of the dummy devices that svcc made, with every address on them but those that the kernel adds itself
    (fe80::/64).

    The state says which links answer for an IPv6 address. No artifact does: a program names no links.
    """

    part: ClassVar[str] = difference.PART
    can_ask = True

    def from_target(self, state: object) -> Devices | None:
        return state if isinstance(state, dict) else None

    def parse(self, text: str, scope: Scope) -> Devices:
        return parse_devices(text)

    def read(self, scope: Scope, wanted: Devices) -> Devices:
        recorded = _recorded(scope)
        announced = {address for text in scope.texts(difference.PART) for address in announced_in(text)}
        return read_devices(lambda link: is_ours(link, scope.prefix, recorded), announced)

    def ask(self, have: Devices, want: Devices, scope: Scope) -> Devices | None:
        """Read all devices, and return the addresses that either state names: iproute2 lists all addresses even when it
        is asked for one. Return None where an address is announced: its state depends on other links as well."""
        both = (*have.values(), *want.values())
        if any(one.announced() for one in both):
            return None
        live = read_devices(lambda link: is_ours(link, scope.prefix, {*have, *want}))
        asked = {address for one in both for address in one.addresses}
        return {name: replace(one, addresses=_among(one.addresses, asked)) for name, one in live.items()}

    def changes(self, live: Devices, wanted: Devices) -> Iterator[Change]:
        return difference.changes(live, wanted)

    def steps(self, live: Devices, wanted: Devices, scope: Scope, transition: Transition) -> list[Step]:
        return loading.steps(live, wanted)

    def announced(self, state: Devices) -> set[str]:
        return {address.partition("/")[0] for device in state.values() for address in device.announced()}

    def dump(self, state: Devices) -> object:
        return dump_devices(state)

    def load(self, data: object) -> Devices:
        return load_devices(data)

    def obstacles(self, live: Devices, wanted: Devices, scope: Scope) -> Iterator[str]:
        if not wanted or tools.find("ip") is None:
            return
        recorded = _recorded(scope)
        for link in links():
            if link.name in wanted and not is_ours(link, scope.prefix, recorded):
                yield f"{whose(link)}: choose another name (cluster {{ vip-device NAME }}), or remove the device"


def _among(addresses: Mapping[str, str], asked: Collection[str]) -> dict[str, str]:
    return {address: options for address, options in addresses.items() if address in asked}


def _recorded(scope: Scope) -> set[str]:
    """Return the device names in the bundles that may be in the kernel."""
    return {name for text in scope.texts(difference.PART) for name in names_of_text(text)}
