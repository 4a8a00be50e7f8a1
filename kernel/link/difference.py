"""Find what differs between two states of devices, and the commands that lead from one to the other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from svcc.kernel.link.answered import answers_to_change, option_of
from svcc.kernel.link.devices import Device, Devices
from svcc.kernel.steps import Change, Phase, Verb

PART = "ip"


@dataclass(frozen=True, slots=True)
class Command:
    """A line of ``ip -batch``."""

    kind: str  # link, address, neighbour
    verb: str  # add, set, del; of addresses: replace, del
    device: str
    address: str = ""  # with the length of its prefix; of a neighbour without
    options: str = ""  # of an address; of a device: "type dummy", "up", "down", "alias …"; of a neighbour: "protocol …"

    def __str__(self) -> str:
        subject = self.device if self.kind == "link" else f"{self.address} dev {self.device}"
        subject = f"proxy {subject}" if self.kind == "neighbour" else subject
        return f"{self.kind} {self.verb} {subject}{' ' if self.options else ''}{self.options}"


# -- changes ----------------------------------------------------------------------------------------------------------


def changes(live: Devices, wanted: Devices) -> Iterator[Change]:
    """Yield what differs, by the devices' names; for each the addresses that are removed, then those that are added or
    changed."""
    for name in sorted(live.keys() | wanted.keys()):
        before, after = live.get(name), wanted.get(name)
        if not name:
            yield from _left_changes(_addresses_of(before), _addresses_of(after))
            continue
        if before is None or after is None:
            yield Change(Verb.ADD if after else Verb.REMOVE, PART, "link", name)
        elif _look(before) != _look(after):
            yield Change(Verb.CHANGE, PART, "link", name, _look(before), _look(after))
        yield from _address_changes(name, _addresses_of(before), _addresses_of(after))


def _look(device: Device) -> str:
    """Return the text by which a change shows a device."""
    return f"{'up' if device.up else 'down'}{f' alias {device.alias}' if device.alias else ''}"


def _addresses_of(device: Device | None) -> Mapping[str, str]:
    return device.addresses if device else {}


def _address_changes(name: str, old: Mapping[str, str], new: Mapping[str, str]) -> Iterator[Change]:
    for address in sorted(old.keys() - new.keys()):
        yield Change(Verb.REMOVE, PART, "address", f"{address} dev {name}")
    for address, options in new.items():
        if address not in old:
            yield Change(Verb.ADD, PART, "address", f"{address} dev {name}")
        elif old[address] != options:
            yield Change(Verb.CHANGE, PART, "address", f"{address} dev {name}", old[address], options)


def _left_changes(old: Mapping[str, str], new: Mapping[str, str]) -> Iterator[Change]:
    """Yield the changes of addresses for which links answer though no device has them."""
    for address in sorted(old.keys() | new.keys()):
        if old.get(address) != new.get(address):
            verb = Verb.REMOVE if address not in new else Verb.CHANGE if address in old else Verb.ADD
            yield Change(verb, PART, "neighbour", address, old.get(address, ""), new.get(address, ""))


def change_of(command: Command, live: Devices) -> Change:
    """Return what a command changes, as plans show it."""
    if command.kind == "link":
        verbs = {"add": Verb.ADD, "del": Verb.REMOVE}
        after = command.options.rpartition(" ")[2] if command.verb == "set" else ""
        return Change(verbs.get(command.verb, Verb.CHANGE), PART, "link", command.device, after=after)
    if command.kind == "neighbour":
        verb = Verb.ADD if command.verb == "add" else Verb.REMOVE
        return Change(verb, PART, "neighbour", f"{command.address} dev {command.device}")
    known = command.address in _addresses_of(live.get(command.device))
    verb = Verb.REMOVE if command.verb == "del" else Verb.CHANGE if known else Verb.ADD
    return Change(verb, PART, "address", f"{command.address} dev {command.device}")


# -- commands ---------------------------------------------------------------------------------------------------------


def commands(live: Devices, wanted: Devices) -> dict[Phase, list[Command]]:
    """Return the commands that turn ``live`` into ``wanted``, by the phase in which they may be run; phases without a
    command are left out."""
    found = {Phase.ADDRESSES: [*_additions(live, wanted)], Phase.ADDRESSES_OFF: [*_removals(live, wanted)]}
    return {phase: some for phase, some in found.items() if some}


def _additions(live: Devices, wanted: Devices) -> Iterator[Command]:
    for name, after in _named(wanted):
        before = live.get(name)
        if before is None:
            yield Command("link", "add", name, options="type dummy")
        if after.alias and after.alias != (before.alias if before else ""):
            yield Command("link", "set", name, options=f"alias {after.alias}")
        old, was_up = _options(before), before is not None and before.up
        for address in _leaving_before_down(before, after):
            yield Command("address", "del", name, address)
        if after.up != was_up:
            yield Command("link", "set", name, options="up" if after.up else "down")
            old = {} if was_up else old  # a device that goes down loses its IPv6 addresses
        for address, options in _options(after).items():
            if old.get(address, options) != options and ":" not in address:
                yield Command("address", "del", name, address)  # replacing keeps the old scope (inet_rtm_newaddr)
            if old.get(address) != options:
                yield Command("address", "replace", name, address, options)


def _removals(live: Devices, wanted: Devices) -> Iterator[Command]:
    for name, before in _named(live):
        if name not in wanted:
            yield Command("link", "del", name)
            continue
        after = wanted[name]
        for address in sorted({*_leaving(before, after)}.difference(_leaving_before_down(before, after))):
            yield Command("address", "del", name, address)


def _leaving(before: Device, after: Device) -> list[str]:
    """Return the addresses that a device has and is not to have."""
    return sorted(before.addresses.keys() - after.addresses.keys())


def _leaving_before_down(before: Device | None, after: Device) -> list[str]:
    """Return the addresses that have to be removed before a device goes down. With it, IPv6 addresses go, or stay where
    keep_addr_on_down is set (ip-sysctl): then nobody knows whether there is one to remove."""
    if before is None or not before.up or after.up:
        return []
    return [address for address in _leaving(before, after) if ":" in address]


def _named(devices: Devices) -> Iterator[tuple[str, Device]]:
    """Yield the real devices with their names. The name "" holds addresses that links answer for and no device has."""
    return ((name, device) for name, device in devices.items() if name)


def _options(device: Device | None) -> dict[str, str]:
    """Return the options that ``ip address`` is given, by address."""
    return {address: option_of(address, options) for address, options in _addresses_of(device).items()}


def coming(live: Devices, wanted: Devices) -> list[str]:
    """Return the addresses that are to be announced, and are announced on no device yet."""
    announced = {address for device in live.values() for address in device.announced()}
    return [address for device in wanted.values() for address in device.announced() if address not in announced]


def turning(live: Devices, wanted: Devices) -> dict[Phase, dict[str, frozenset[str] | None]]:
    """Return, by phase, the IPv6 addresses for which other links are to answer, with these links (None: those whose
    networks hold the address).

    No link answers for an address that is on no device: links begin to answer after the address was added, and end
    before it is removed.
    """
    found: dict[Phase, dict[str, frozenset[str] | None]] = {}
    held = {address for _, device in _named(wanted) for address in device.addresses}
    for address, links in answers_to_change(live, wanted).items():
        ends = links is not None and not links
        phase = Phase.ANNOUNCED if not ends else Phase.ADDRESSES if address in held else Phase.ADDRESSES_OFF
        found.setdefault(phase, {})[address] = links
    return found
