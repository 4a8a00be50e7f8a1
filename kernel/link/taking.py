"""Begin to answer for addresses at once, without a look at the rest of the machine's wanted state."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address

from svcc.kernel import tools
from svcc.kernel.link import arp, proxies
from svcc.kernel.link.announcing import announce
from svcc.kernel.link.devices import NODAD, QUIET, Device
from svcc.kernel.link.difference import PART, Command, commands
from svcc.kernel.link.links import Link
from svcc.kernel.sysctl.loading import read_parameters
from svcc.kernel.sysctl.loading import steps as sysctl_steps

_PROXYING = {"net.ipv6.conf.all.proxy_ndp": "1"}
_ARP_IGNORE = "net.ipv4.conf.all.arp_ignore"
#: The value of arp_ignore with which links answer for no address of another device; and the parameter with which they
#: answer for all of these but those of scope host (ip-sysctl.rst).
_FOR_NONE, _FOR_OTHERS = 1, {_ARP_IGNORE: "3"}


def take(
    device: str,
    alias: str,
    addresses: Collection[IPv4Address | IPv6Address],
    links: Collection[Link],
    *,
    silent: bool = False,
) -> Collection[IPv4Address | IPv6Address]:
    """Put addresses on a dummy device, have links answer for them, and announce them. Return the addresses for which
    that was done.

    ``alias``: says whose the device is; the device is made where there is none. ``links``: all devices of the machine.
    ``silent``: whether the device has the addresses already, with all links silent about them. An address is left out
    where more would have to be done: where the device is another's, where it has the address in another way, or where
    the kernel's settings keep links from answering.

    Errors: StepError.
    """
    existing = next((link for link in links if link.name == device), None)
    if existing is not None and (existing.kind, existing.alias) != ("dummy", alias):
        return ()
    have = {} if existing is None else existing.device().addresses
    fit = (QUIET, NODAD) if silent else (None,)
    coming = [one for one in addresses if have.get(_on_device(one)) in fit and _may_be_heard(one, silent=silent)]
    if coming:
        _run([*_commands(device, alias, coming, existing, links)])
        announce(coming, links)
    return coming


def _commands(
    device: str,
    alias: str,
    coming: Collection[IPv4Address | IPv6Address],
    existing: Link | None,
    links: Collection[Link],
) -> Iterator[Command]:
    before = Device(device, False, {}, alias) if existing is None else existing.device()
    after = replace(before, up=True, addresses={**before.addresses, **{_on_device(one): "" for one in coming}})
    for some in commands({} if existing is None else {device: before}, {device: after}).values():
        yield from some
    if sixes := {_on_device(one): None for one in coming if one.version == 6}:
        yield from proxies.commands(sixes, proxies.entries(), links)


def _on_device(address: IPv4Address | IPv6Address) -> str:
    return f"{address}/{address.max_prefixlen}"


def _may_be_heard(address: IPv4Address | IPv6Address, *, silent: bool) -> bool:
    """Whether the kernel's settings let links answer for an address; :mod:`svcc.targets.vip_device` names the settings.

    They are set so first where that changes nothing for other addresses: for IPv6, and where ``silent`` addresses are
    all of scope host. Errors: StepError.
    """
    if address.version == 6:
        _set(_PROXYING)
        return True
    if silent and arp.ignored("all") == _FOR_NONE:
        _set(_FOR_OTHERS)
    return arp.ignored("all") not in arp.SILENT


def _set(wanted: Mapping[str, str]) -> None:
    for step in sysctl_steps(read_parameters(wanted), wanted):
        step.run()


def _run(some: Collection[Command]) -> None:
    """Run commands by a single ``ip -batch``, as netlink's library takes longer to load. Errors: StepError."""
    done = tools.attempt(PART, ["ip", "-batch", "-"], "".join(f"{command}\n" for command in some))
    if done.returncode:
        raise done.error(PART)
