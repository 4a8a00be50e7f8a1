"""Stop answering for addresses at once, without a look at the rest of a device's wanted state."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from ipaddress import IPv4Address, IPv6Address

from svcc.kernel import tools
from svcc.kernel.link import proxies
from svcc.kernel.link.devices import QUIET
from svcc.kernel.link.difference import PART, Command
from svcc.kernel.link.reading import links


def silence(device: str, addresses: Iterable[IPv4Address | IPv6Address], *, keep: bool) -> None:
    """Make all links stop answering for these addresses of a device. ``keep``: whether the machine itself keeps the
    addresses.

    It is no error where that is so already. Errors: StepError, where the machine's links cannot be read.
    """
    found = [*_commands(device, addresses, keep=keep)]
    if found:
        tools.attempt(PART, ["ip", "-force", "-batch", "-"], "".join(f"{command}\n" for command in found))


def _commands(device: str, addresses: Iterable[IPv4Address | IPv6Address], *, keep: bool) -> Iterator[Command]:
    some = [*addresses]
    if sixes := {f"{one}/128": frozenset[str]() for one in some if one.version == 6}:
        yield from proxies.commands(sixes, proxies.entries(), links())
    for one in some:
        text = f"{one}/{one.max_prefixlen}"
        if one.version == 4 or not keep:
            yield Command("address", "del", device, text)
        if one.version == 4 and keep:  # it was deleted first, as replacing keeps the old scope (inet_rtm_newaddr)
            yield Command("address", "replace", device, text, QUIET)
