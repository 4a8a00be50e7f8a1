"""Find what keeps packets of services from their endpoints on this machine though the rules are right: firewalls that
drop packets, forwarding that is off, missing routes, answers that come in by another device, and bridges whose packets
do not pass netfilter.

Each obstruction comes with a remedy. What cannot be read is named, or else left alone.
"""

from __future__ import annotations

import errno
import socket
from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from pathlib import Path

from svcc.apply.firewall.drops import drops
from svcc.apply.forwarding import forwarding
from svcc.apply.reverse_path import reverse_path_drops
from svcc.apply.summary import ServedFrontend, Summary
from svcc.kernel import tools
from svcc.kernel.json_values import items, parsed_of_ip
from svcc.kernel.link.difference import PART
from svcc.kernel.link.reading import links
from svcc.kernel.steps import StepError
from svcc.kernel.sysctl.loading import value_of
from svcc.kernel.sysctl.settings import of_device

#: One endpoint is looked at for each network of this prefix length: packets go the same way to all of it, most likely.
_ALIKE = {4: 24, 6: 64}
#: How many networks of endpoints are looked at.
_LOOKED_AT = 1000
_SYS = Path("/proc/sys/net")
_BROADCAST = "it is the broadcast address of a network of this machine's: nobody in that network can connect to it"
_NONE = "none"
#: The kinds of routes that the kernel answers with an error which says less (ip-route(8)).
_KINDS = {errno.EINVAL: "blackhole"}


@dataclass(frozen=True, slots=True)
class Obstruction:
    """A setting of the machine or a rule of another program that keeps packets from services."""

    subject: str
    state: str  # what was found
    remedy: str


def obstructions(
    served: Collection[Summary], *, translated: bool = True, ours: Collection[str] = ()
) -> Iterator[Obstruction]:
    """Yield what stands in the way of services; where none is served, what would be in the way of any.

    ``served``: the summaries of the services. ``translated``: whether rules translate packets; else IPVS sends them on,
    forwarding is switched on by the apply, and service addresses are this machine's own. ``ours``: the names of svcc's
    nftables tables.
    """
    families = {one.version for summary in served for one in summary.frontends} or {4, 6}
    own = _own() if served else frozenset()
    endpoints = _endpoints(served, own)
    addresses = _addresses(served) if translated else []
    if endpoints and 6 in families and (without := no_ipv6()):
        yield Obstruction("IPv6", *without)
        families, endpoints, addresses = families - {6}, _of_ipv4(endpoints), _of_ipv4(addresses)
    yield from _forwarding(families - _served_here(served, own), named=bool(endpoints), switched_on=not translated)
    for one in drops(served, families, translated=translated, ours=ours, own=own):
        yield Obstruction(*one)
    yield from _routes(endpoints, addresses)
    yield from _reverse_paths(endpoints)
    bypassed = any(one.bypassed for summary in served for one in summary.frontends)
    passing = _endpoints(served, own, answering_through=True) if bypassed else endpoints
    yield from _bridges(passing if 6 in families else _of_ipv4(passing))


def no_ipv6() -> tuple[str, str] | None:
    """Return what keeps this machine from IPv6, and the remedy; None where nothing does (ip-sysctl)."""
    if not (_SYS / "ipv6").exists():
        return "not in this kernel", "start it without ipv6.disable=1, or with the module ipv6"
    if value_of("net.ipv6.conf.all.disable_ipv6") == "1":
        key = "net.ipv6.conf.all.disable_ipv6"
        return f"disabled ({key} is 1)", f"sysctl -w {key}=0 (and give devices their IPv6 addresses and routes again)"
    return None


def _of_ipv4(addresses: Collection[str]) -> list[str]:
    return [one for one in addresses if ":" not in one]


def _own() -> frozenset[str]:
    """Return the addresses of this machine. Packets to an endpoint that has one of them go nowhere else."""
    with suppress(StepError):
        held = (held.address for link in links() for held in link.addresses if held.address)
        return frozenset(str(ip_address(one)) for one in held)
    return frozenset()


def _served_here(served: Collection[Summary], own: Collection[str]) -> set[int]:
    """Return the families that have endpoints, all of them this machine itself."""
    some = [one for summary in served for one in summary.frontends if one.endpoints]
    elsewhere = {one.version for one in some if any(address not in own for address, _, _ in one.endpoints)}
    return {one.version for one in some} - elsewhere


def _endpoints(served: Collection[Summary], own: Collection[str], *, answering_through: bool = False) -> list[str]:
    """Return the address of one endpoint for each network of endpoints that are not this machine itself.

    ``answering_through``: only of endpoints whose answers pass this machine.
    """
    found: dict[str, str] = {}
    for summary in served:
        for frontend in summary.frontends:
            if not (answering_through and frontend.bypassed):
                _add_networks(found, frontend, own)
    return list(found.values())[:_LOOKED_AT]


def _add_networks(found: dict[str, str], frontend: ServedFrontend, own: Collection[str]) -> None:
    """Add the networks of a frontend's endpoints, each with the first of them that is met."""
    if frontend.version != 4:
        for address, _, _ in frontend.endpoints:
            if address not in own:
                found.setdefault(_network(address), address)
        return
    for address, _, _ in frontend.endpoints:  # as `_network` has it, without a call for each of a hundred thousand
        network = address.rpartition(".")[0]
        if network not in found and address not in own:
            found[network] = address


def _network(address: str) -> str:
    """Return a text that is the same for all addresses of one network. IPv4 addresses are not parsed for that, as there
    may be thousands."""
    if ":" not in address:
        return address.rpartition(".")[0]
    return str(ip_network(f"{address}/{_ALIKE[6]}", strict=False))


def _addresses(served: Collection[Summary]) -> list[str]:
    """Return one service address for each network that has any."""
    found = {one.address: None for summary in served for one in summary.frontends if one.address is not None}
    return list(dict(zip(map(_network, found), found, strict=True)).values())[:_LOOKED_AT]


# ---- forwarding


def _forwarding(families: Collection[int], *, named: bool, switched_on: bool) -> Iterator[Obstruction]:
    """Yield where forwarding is off. It is needed where endpoints are on other machines (ip-sysctl).

    ``named``: whether endpoints are known; only then each device is looked at. ``switched_on``: whether the apply turns
    forwarding on for all devices, so that only single devices can have it off.
    """
    for found in map(forwarding, sorted(families)):
        if switched_on and not found.everywhere:
            continue
        if found.nowhere:
            yield Obstruction(f"IPv{found.family} forwarding", "off", found.remedy())
            continue
        for device in found.off if named else ():
            yield Obstruction(f"IPv{found.family} forwarding from {device}", "off", found.remedy(device))


# ---- routes


def _routes(endpoints: Collection[str], addresses: Collection[str]) -> Iterator[Obstruction]:
    for address in endpoints:
        why = _unreachable(address)
        if why == _BROADCAST:
            yield Obstruction(f"endpoint {address}", why, "another address for it")
        elif why is not None:
            yield Obstruction(f"route to endpoint {address}", why, _route(address))
    told: set[bool] = set()  # the families of which a missing default route was told
    for address in addresses:
        why, is_ipv6 = _unreachable(address), ":" in address
        if why == _BROADCAST:
            yield Obstruction(f"service address {address}", why, "another address for the service")
        elif why == _NONE and is_ipv6 not in told:
            told.add(is_ipv6)
            state = f"{why}: this machine's own clients cannot send there, nor may clients of far networks be answered"
            version = "-6 " if is_ipv6 else ""
            yield Obstruction(f"route to service address {address}", state, f"ip {version}route add default via ROUTER")
        elif why not in (None, _NONE):  # a blackhole, most likely, that a routing daemon announces
            state = f"{why}: this machine's own clients cannot send there; all others can"
            yield Obstruction(f"route to service address {address}", state, _route(address))


def _route(address: str) -> str:
    """Return the command that makes a route to an address, also in the place of one that refuses it. Of IPv6's routes
    to one address, the kernel takes that of the least metric, and `ip` gives 1024 if it is not told."""
    where = f"{address}/128 via ROUTER metric 1" if ":" in address else f"{address}/32 via ROUTER"
    return f"ip route replace {where} (or a route for its network)"


def _unreachable(address: str) -> str | None:
    """Return why the kernel has no route to an address; None where it has one. Connecting a UDP socket looks up the
    route and sends nothing (udp(7))."""
    with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((address, 9))
        except OSError as error:
            if error.errno == errno.EACCES and _is_broadcast(address):
                return _BROADCAST
            if error.errno in (errno.ENETUNREACH, errno.EHOSTUNREACH, errno.EACCES, errno.EINVAL, errno.EADDRNOTAVAIL):
                return (
                    _NONE
                    if error.errno == errno.ENETUNREACH
                    else f"the route says: {_KINDS.get(error.errno, error.strerror)}"
                )
    return None


def _is_broadcast(address: str) -> bool:
    """Whether an address is a broadcast address: a socket may connect to it once SO_BROADCAST is set (socket(7)). An
    address that a route prohibits stays refused."""
    if ":" in address:
        return False
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        return probe.connect_ex((address, 9)) == 0


def _reverse_paths(endpoints: Collection[str]) -> Iterator[Obstruction]:
    for device, endpoint in reverse_path_drops(endpoints):
        state = (
            f"strict: it drops what endpoint {endpoint} answers from the device's own network, "
            "as the route to that endpoint leads through another device"
        )
        yield Obstruction(f"reverse path of {device}", state, f"sysctl -w {of_device(4, device, 'rp_filter')}=2")


# ---- bridges


def _may_have_bridges() -> bool:
    """Whether there are bridges in the calling thread's network namespace, or whether that cannot be told. To ask `ip`
    takes a tenth of the time that it takes to import pyroute2."""
    try:
        listed = tools.read(PART, ["ip", "-json", "link", "show", "type", "bridge"])
        with tools.understood(PART, "ip"):  # older releases print {} for a device that they filter out
            return any(items(parsed_of_ip(listed)))
    except StepError:
        return True


def _bridges(endpoints: Collection[str]) -> Iterator[Obstruction]:
    """Yield the bridges of endpoints whose packets do not pass netfilter. Between two ports of one bridge they pass it
    only where br_netfilter hands them over. Else an endpoint's answer reaches a client on the same bridge with the
    endpoint's address as its source, and the client refuses it."""
    if not endpoints or not _may_have_bridges():
        return
    from pyroute2 import IPRoute

    with IPRoute() as kernel:
        bridges = {
            link["index"]: str(link.get_attr("IFLA_IFNAME"))
            for link in kernel.get_links()
            if (info := link.get_attr("IFLA_LINKINFO")) and info.get_attr("IFLA_INFO_KIND") == "bridge"
        }
        found: set[tuple[str, int]] = set()
        for address in endpoints:
            if _unreachable(address) is None:
                for route in kernel.route("get", dst=address):
                    if (index := route.get_attr("RTA_OIF")) in bridges:
                        found.add((bridges[index], ip_address(address).version))
    for bridge, version in sorted(found):
        key = f"bridge-nf-call-ip{'6' if version == 6 else ''}tables"
        if (value := value_of(f"net.bridge.{key}")) != "1":
            state = f"{key} is {value or 'not there'}: packets between its ports bypass the rules"
            before = "" if value else "modprobe br_netfilter && "
            yield Obstruction(f"bridge {bridge}", state, f"{before}sysctl -w net.bridge.{key}=1")
