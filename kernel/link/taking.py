"""Beginning to answer for addresses at once, without a look at all else that is wanted of the machine."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address

from svcc.kernel import tools
from svcc.kernel.link import arp, proxies
from svcc.kernel.link.announcing import announce
from svcc.kernel.link.devices import Device
from svcc.kernel.link.difference import PART, Command, commands
from svcc.kernel.link.links import Link
from svcc.kernel.sysctl.loading import read_parameters
from svcc.kernel.sysctl.loading import steps as sysctl_steps

_PROXYING = {"net.ipv6.conf.all.proxy_ndp": "1"}


def take(
    device: str, alias: str, addresses: Collection[IPv4Address | IPv6Address], links: Collection[Link]
) -> Collection[IPv4Address | IPv6Address]:
    """Put addresses on a dummy device, have links answer for them, and tell the network; those that it was done for.

    ``alias``: says whose the device is; it is made where there is none. ``links``: all devices of the machine. What
    takes more than that is left as it is: the device is another's, it has an address in another way, or the kernel's
    settings keep that silent.

    Errors: StepError.
    """
    there = next((link for link in links if link.name == device), None)
    if there is not None and (there.kind, there.alias) != ("dummy", alias):
        return ()
    have = {} if there is None else there.device().addresses
    coming = [one for one in addresses if _on_device(one) not in have and _may_be_heard(one)]
    if coming:
        _run([*_commands(device, alias, coming, there, links)])
        announce(coming, links)
    return coming


def _commands(
    device: str,
    alias: str,
    coming: Collection[IPv4Address | IPv6Address],
    there: Link | None,
    links: Collection[Link],
) -> Iterator[Command]:
    before = Device(device, False, {}, alias) if there is None else there.device()
    after = replace(before, up=True, addresses={**before.addresses, **{_on_device(one): "" for one in coming}})
    for some in commands({} if there is None else {device: before}, {device: after}).values():
        yield from some
    if sixes := {_on_device(one): None for one in coming if one.version == 6}:
        yield from proxies.commands(sixes, proxies.entries(), links)


def _on_device(address: IPv4Address | IPv6Address) -> str:
    return f"{address}/{address.max_prefixlen}"


def _may_be_heard(address: IPv4Address | IPv6Address) -> bool:
    """Whether the kernel's settings let links answer (:mod:`svcc.targets.vip_device` has these).

    That for IPv6 does nothing by itself, and is made. Errors: StepError.
    """
    if address.version == 4:
        return arp.ignored("all") not in arp.SILENT
    for step in sysctl_steps(read_parameters(_PROXYING), _PROXYING):
        step.run()
    return True


def _run(some: Collection[Command]) -> None:
    """By one run of a tool: netlink's library takes longer to be loaded."""
    done = tools.attempt(PART, ["ip", "-batch", "-"], "".join(f"{command}\n" for command in some))
    if done.returncode:
        raise done.error(PART)
