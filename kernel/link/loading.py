"""The steps between two states of devices: a few commands go by netlink, many by a run of ``ip -batch``."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from ipaddress import ip_interface
from typing import Protocol

from svcc.kernel import tools
from svcc.kernel.link import proxies
from svcc.kernel.link.announcing import announce
from svcc.kernel.link.devices import NODAD, QUIET, Devices
from svcc.kernel.link.difference import PART, Command, change_of, coming, commands, turning
from svcc.kernel.link.reading import links
from svcc.kernel.steps import Phase, Step, StepError, counted

#: Up to so many commands go by netlink, at a third of a millisecond each; more go to one ``ip -batch``.
_FEW = 500
_FAILED = re.compile(r"Command failed -:(\d+)")
_NODAD = 0x02  # IFA_F_NODAD (if_addr.h)
_HOST = 254  # RT_SCOPE_HOST (rtnetlink.h)


def steps(live: Devices, wanted: Devices) -> list[Step]:
    """Return a step for each phase in which devices change, one for each in which other links are to answer for
    addresses, and one that announces new addresses.

    In a phase, the step about which links answer is first: links stop answering before an address is removed. They
    begin in a later phase than that in which it is added.
    """
    found = [_answering(phase, some) for phase, some in turning(live, wanted).items()]
    found += [_step(phase, some, live) for phase, some in commands(live, wanted).items()]
    if new := coming(live, wanted):
        title = f"{counted(len(new), 'address')} announced"
        found.append(Step(Phase.ANNOUNCED, PART, title, False, len(new), lambda: _announce(new)))
    return found


def _step(phase: Phase, some: list[Command], live: Devices) -> Step:
    run = _by_netlink if len(some) <= _FEW else _by_batch
    return Step(phase, PART, _title(some), len(some) == 1, len(some), lambda: run(some, live))


def _title(some: Iterable[Command]) -> str:
    """Return the title of a step: "1 device created, 3 addresses added"."""
    verbs = [(command.kind, command.verb) for command in some]
    counts = {
        ("device", "created"): verbs.count(("link", "add")),
        ("device", "removed"): verbs.count(("link", "del")),
        ("address", "added"): verbs.count(("address", "replace")),
        ("address", "removed"): verbs.count(("address", "del")),
    }
    shown = [f"{counted(number, noun)} {what}" for (noun, what), number in counts.items() if number]
    return ", ".join(shown) or "device changed"


def _announce(addresses: Sequence[str]) -> None:
    announce([ip_interface(address).ip for address in addresses], links())


def _answering(phase: Phase, some: Mapping[str, frozenset[str] | None]) -> Step:
    ends = phase is not Phase.ANNOUNCED
    title = f"links {'stop' if ends else 'start'} answering for {counted(len(some), 'address')}"
    return Step(phase, PART, title, False, len(some), lambda: _answer(some))


def _answer(some: Mapping[str, frozenset[str] | None]) -> None:
    """Have the wanted links answer for addresses. The links and proxy entries are read now, as links come and go.

    Errors: StepError.
    """
    found = [*proxies.commands(some, proxies.entries(), links())]
    if found:
        _by_batch(found, {})


def _by_batch(some: Sequence[Command], live: Devices) -> None:
    done = tools.attempt(PART, ["ip", "-batch", "-"], "".join(f"{command}\n" for command in some))
    if not done.returncode:
        return
    words = done.words
    failed = _FAILED.search(words)
    if failed is None or not 1 <= int(failed[1]) <= len(some):
        raise done.error(PART)
    command = some[int(failed[1]) - 1]
    raise StepError(PART, words[: failed.start()].strip(), culprit=change_of(command, live), line=str(command))


class _Netlink(Protocol):
    """The methods of pyroute2's ``IPRoute`` that are used; it has no types."""

    def link(self, verb: str, **attributes: str | int) -> object: ...

    def addr(self, verb: str, **attributes: str | int) -> object: ...

    def link_lookup(self, *, ifname: str) -> Sequence[int]: ...


def _by_netlink(some: Sequence[Command], live: Devices) -> None:
    from pyroute2 import IPRoute
    from pyroute2.netlink.exceptions import NetlinkError

    with IPRoute() as netlink:
        indices: dict[str, int] = {}
        for command in some:
            try:
                _send(netlink, command, indices)
            except NetlinkError as error:
                words = os.strerror(error.code)
                raise StepError(PART, words, culprit=change_of(command, live), line=str(command)) from error


def _send(netlink: _Netlink, command: Command, indices: dict[str, int]) -> None:
    """Send one command as a message. ``indices``: the numbers of devices that are known already, to which this one's is
    added."""
    name, options = command.device, command.options
    if (command.kind, command.verb) == ("link", "add"):
        netlink.link("add", ifname=name, kind="dummy")
        return
    index = indices.get(name) or _index(netlink, command)
    indices[name] = index
    if command.kind == "address":
        address, length = command.address.split("/")
        extra = {"flags": _NODAD} if options == NODAD else {"scope": _HOST} if options == QUIET else {}
        netlink.addr(command.verb, index=index, address=address, prefixlen=int(length), **extra)
    elif options.startswith("alias "):
        netlink.link("set", index=index, ifalias=options.partition(" ")[2])
    elif options:
        netlink.link("set", index=index, state=options)
    else:
        netlink.link(command.verb, index=index)


def _index(netlink: _Netlink, command: Command) -> int:
    found = netlink.link_lookup(ifname=command.device)
    if not found:
        raise StepError(PART, f"there is no device {command.device}", line=str(command))
    return found[0]
