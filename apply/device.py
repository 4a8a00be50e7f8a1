"""The dummy device that carries service addresses, with ip(8) and by netlink.

An IPv4 address of scope host is one that this machine answers no ARP for (svcc.targets.vip_device); one of global scope
is announced when it comes.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Interface
from typing import Any, ClassVar, TypeAlias

from svcc.apply.arp import announce
from svcc.apply.driver import Driver, Transition
from svcc.apply.scope import Scope
from svcc.kernel import tools
from svcc.kernel.steps import Change, Phase, Step, StepError, Verb, counted
from svcc.targets.naming import device_alias

#: Up to so many changes go by netlink, at a third of a millisecond each; more than these go to one ``ip -batch``.
_FEW = 500
_FAILED = re.compile(r"Command failed -:(\d+)")
_NODAD = 0x02  # IFA_F_NODAD (if_addr.h)
_HOST = 254  # RT_SCOPE_HOST (rtnetlink.h)


@dataclass(frozen=True, slots=True)
class Device:
    up: bool
    #: "198.19.10.0/32" -> "scope host", or "" where it is announced; "2001:db8::7/128" -> "nodad".
    addresses: Mapping[str, str]
    alias: str = ""  # says whose it is


#: By name. There are several only while one takes over from another.
Devices: TypeAlias = Mapping[str, Device]


class DeviceDriver(Driver[Devices]):
    """Dummy devices that svcc made, and every address on them but those that the kernel makes itself (fe80::/64).

    The alias tells that svcc made a device. A dummy device without any alias is ours where a recorded bundle names it:
    svcc was killed before it could set the alias.
    """

    part: ClassVar[str] = "ip"

    def parse(self, text: str, scope: Scope) -> Devices:
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
        return {name: Device(name in up, addresses, aliases.get(name, "")) for name, addresses in found.items()}

    def read(self, scope: Scope, wanted: Devices) -> Devices:
        if tools.find("ip") is None:
            return {}
        recorded = {*_named(self, scope)}
        return {one["ifname"]: _device(one) for one in listed() if is_ours(one, scope.prefix, recorded)}

    def changes(self, live: Devices, wanted: Devices) -> Iterator[Change]:
        for name in sorted(live.keys() | wanted.keys()):
            before, after = live.get(name), wanted.get(name)
            if before is None or after is None:
                yield Change(Verb.ADD if after else Verb.REMOVE, self.part, "link", name)
            elif _look(before) != _look(after):
                yield Change(Verb.CHANGE, self.part, "link", name, _look(before), _look(after))
            yield from _address_changes(name, before, after)

    def steps(self, live: Devices, wanted: Devices, scope: Scope, transition: Transition) -> list[Step]:
        lines = {Phase.ADDRESSES: [*_additions(live, wanted)], Phase.ADDRESSES_OFF: [*_removals(live, wanted)]}
        steps = [_step(phase, some, live) for phase, some in lines.items() if some]
        if coming := [*_coming(live, wanted)]:
            said = f"{counted(len(coming), 'address')} announced"
            steps.append(Step(Phase.ANNOUNCED, "ip", said, False, len(coming), lambda: _announce(coming)))
        return steps

    def dump(self, state: Devices) -> Any:
        return {name: [device.up, dict(device.addresses), device.alias] for name, device in state.items()}

    def load(self, data: Any) -> Devices:
        return {name: Device(up, addresses, alias) for name, (up, addresses, alias) in data.items()}

    def obstacles(self, live: Devices, wanted: Devices, scope: Scope) -> Iterator[str]:
        if not wanted or tools.find("ip") is None:
            return
        recorded = {*_named(self, scope)}
        for one in listed():
            name = one.get("ifname", "")
            if name in wanted and not is_ours(one, scope.prefix, recorded):
                yield f"{_whose(one)}: choose another name (cluster {{ vip-device NAME }}), or remove the device"


def _whose(one: Mapping[str, Any]) -> str:
    _, ours, prefix = str(one.get("ifalias", "")).rpartition(device_alias(""))
    if ours:
        return f"device {one['ifname']} is that of prefix {prefix}"
    return f"device {one['ifname']} exists, and svcc did not make it"


def _named(driver: DeviceDriver, scope: Scope) -> Iterator[str]:
    """The devices of the bundles that may be in the kernel."""
    for bundle in scope.bundles:
        if artifact := bundle.artifact(driver.part):
            yield from driver.parse(artifact.text, scope)


# -- reading ----------------------------------------------------------------------------------------------------------


def listed() -> list[dict[str, Any]]:
    """The devices of the namespace with their addresses, as ``ip -details -json address show`` has them.

    Errors: StepError.
    """
    said = tools.read("ip", ["ip", "-details", "-json", "address", "show"])
    return [one for one in json.loads(said or "[]") if one]  # older releases leave {} for what they filter out


def is_ours(one: Mapping[str, Any], prefix: str, recorded: Collection[str] = ()) -> bool:
    """Whether svcc made a device for a prefix: see :class:`DeviceDriver`. ``recorded``: names in recorded bundles."""
    if one.get("linkinfo", {}).get("info_kind") != "dummy":
        return False
    alias = str(one.get("ifalias", ""))
    return alias.lower() == device_alias(prefix).lower() if alias else one.get("ifname") in recorded


def _device(one: Mapping[str, Any]) -> Device:
    addresses = {_prefix(shown): _options(shown) for shown in one["addr_info"] if _set(shown)}
    return Device("UP" in one["flags"], addresses, str(one.get("ifalias", "")))


def _set(shown: Mapping[str, Any]) -> bool:
    """Whether somebody set an address: fe80::…/64 comes with the device."""
    return not (shown["family"] == "inet6" and shown["scope"] == "link")


def _options(shown: Mapping[str, Any]) -> str:
    if shown["family"] == "inet6":
        return "nodad" if shown.get("nodad") else ""
    return "" if shown["scope"] == "global" else f"scope {shown['scope']}"


def _prefix(shown: Mapping[str, Any]) -> str:
    return f"{shown.get('local', '')}/{shown['prefixlen']}"


def _addresses_of(device: Device | None) -> Mapping[str, str]:
    return device.addresses if device else {}


# -- differences ------------------------------------------------------------------------------------------------------


def _look(device: Device) -> str:
    """What a change of a link shows of it."""
    return f"{'up' if device.up else 'down'}{f' alias {device.alias}' if device.alias else ''}"


def _address_changes(name: str, before: Device | None, after: Device | None) -> Iterator[Change]:
    old, new = _addresses_of(before), _addresses_of(after)
    for address in sorted(old.keys() - new.keys()):
        yield Change(Verb.REMOVE, "ip", "address", f"{address} dev {name}")
    for address, options in new.items():
        if address not in old:
            yield Change(Verb.ADD, "ip", "address", f"{address} dev {name}")
        elif old[address] != options:
            yield Change(Verb.CHANGE, "ip", "address", f"{address} dev {name}", old[address], options)


def _additions(live: Devices, wanted: Devices) -> Iterator[str]:
    for name, after in wanted.items():
        before = live.get(name)
        if before is None:
            yield f"link add {name} type dummy"
        if after.alias and after.alias != (before.alias if before else ""):
            yield f"link set {name} alias {after.alias}"
        old, was_up = _addresses_of(before), before is not None and before.up
        if after.up != was_up:
            yield f"link set {name} {'up' if after.up else 'down'}"
            old = {} if was_up else old  # a device that goes down loses its IPv6 addresses
        for address, options in after.addresses.items():
            if old.get(address, options) != options and ":" not in address:
                yield f"address del {address} dev {name}"  # the scope of what is there stays (inet_rtm_newaddr)
            if old.get(address) != options:
                yield f"address replace {address} dev {name}{' ' if options else ''}{options}"


def _coming(live: Devices, wanted: Devices) -> Iterator[str]:
    """The addresses that are announced on no device yet."""
    announced = {address for device in live.values() for address in _announced(device)}
    for device in wanted.values():
        yield from (address for address in _announced(device) if address not in announced)


def _announced(device: Device) -> Iterator[str]:
    return (address for address, options in device.addresses.items() if ":" not in address and not options)


def _announce(addresses: Sequence[str]) -> None:
    announce([IPv4Interface(address).ip for address in addresses], listed())


def _removals(live: Devices, wanted: Devices) -> Iterator[str]:
    for name, before in live.items():
        if name not in wanted:
            yield f"link del {name}"
            continue
        for address in sorted(before.addresses.keys() - wanted[name].addresses.keys()):
            yield f"address del {address} dev {name}"


def _change_of_line(line: str, live: Devices) -> Change:
    kind, command, *words = line.split()
    if kind == "link":
        verbs = {"add": Verb.ADD, "del": Verb.REMOVE}
        return Change(
            verbs.get(command, Verb.CHANGE), "ip", "link", words[0], after="" if command != "set" else words[-1]
        )
    address, name = words[0], words[2]
    known = address in _addresses_of(live.get(name))
    verb = Verb.REMOVE if command == "del" else Verb.CHANGE if known else Verb.ADD
    return Change(verb, "ip", "address", f"{address} dev {name}")


# -- steps ------------------------------------------------------------------------------------------------------------


def _step(phase: Phase, lines: list[str], live: Devices) -> Step:
    run = _by_netlink if len(lines) <= _FEW else _by_batch
    return Step(phase, "ip", _title(lines), len(lines) == 1, len(lines), lambda: run(lines, live))


def _title(lines: Iterable[str]) -> str:
    commands = [tuple(line.split(" ", 2)[:2]) for line in lines]
    counts = {
        ("device", "created"): commands.count(("link", "add")),
        ("device", "removed"): commands.count(("link", "del")),
        ("address", "added"): commands.count(("address", "replace")),
        ("address", "removed"): commands.count(("address", "del")),
    }
    shown = [f"{counted(number, noun)} {what}" for (noun, what), number in counts.items() if number]
    return ", ".join(shown) or "device changed"


def _by_batch(lines: Sequence[str], live: Devices) -> None:
    done = tools.attempt("ip", ["ip", "-batch", "-"], "".join(f"{line}\n" for line in lines))
    if not done.returncode:
        return
    words = done.words
    failed = _FAILED.search(words)
    if failed is None or not 1 <= int(failed[1]) <= len(lines):
        raise done.error("ip")
    line = lines[int(failed[1]) - 1]
    raise StepError("ip", words[: failed.start()].strip(), culprit=_change_of_line(line, live), line=line)


def _by_netlink(lines: Sequence[str], live: Devices) -> None:
    from pyroute2 import IPRoute
    from pyroute2.netlink.exceptions import NetlinkError

    with IPRoute() as netlink:
        indices: dict[str, int] = {}
        for line in lines:
            try:
                _send(netlink, line, indices)
            except NetlinkError as error:
                words = os.strerror(error.code)
                raise StepError("ip", words, culprit=_change_of_line(line, live), line=line) from error


def _send(netlink: Any, line: str, indices: dict[str, int]) -> None:
    """One line of a batch as a message."""
    kind, command, *words = line.split()
    if (kind, command) == ("link", "add"):
        netlink.link("add", ifname=words[0], kind="dummy")
        return
    name = words[0] if kind == "link" else words[2]
    index = indices.get(name) or _index(netlink, name, line)
    indices[name] = index
    if kind == "link":
        match words[1:]:
            case ["alias", alias]:
                netlink.link("set", index=index, ifalias=alias)
            case [state]:
                netlink.link("set", index=index, state=state)
            case _:
                netlink.link(command, index=index)
        return
    address, length = words[0].split("/")
    options = {"flags": _NODAD} if "nodad" in words else {"scope": _HOST} if "host" in words else {}
    netlink.addr(command, index=index, address=address, prefixlen=int(length), **options)


def _index(netlink: Any, name: str, line: str) -> int:
    found = netlink.link_lookup(ifname=name)
    if not found:
        raise StepError("ip", f"there is no device {name}", line=line)
    return int(found[0])
