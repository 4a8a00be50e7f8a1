"""What keeps packets of services from their endpoints on this machine though the rules are right: firewalls that drop
by default, forwarding that is off, missing routes, bridges that pass translated packets by.

Only what stands in the way is given, each with a remedy. What cannot be read is named, and left alone.
"""

from __future__ import annotations

import errno
import json
import re
import socket
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from pathlib import Path

from svcc.apply.summary import Summary
from svcc.kernel import tools

#: Endpoints stand for all of their network of this length: where packets go does not differ within it, most likely.
_ALIKE = {4: 24, 6: 64}
#: Networks of endpoints that are looked at.
_LOOKED_AT = 1000
_TRANSLATED = re.compile(r"ct status\b[^\n]*\bdnat\b[^\n]*\baccept\b")
_TRANSLATED_IPTABLES = re.compile(r"(?m)^-A .*(?<!! )--ctstate \S*\bDNAT\b.* -j ACCEPT$")
_SYS = Path("/proc/sys/net")


@dataclass(frozen=True, slots=True)
class Obstruction:
    subject: str
    state: str  # what was found
    remedy: str


@dataclass(frozen=True, slots=True)
class _Policy:
    """A base chain that drops what none of its rules accept."""

    families: frozenset[int]
    table: str  # "inet firewall"; of the legacy iptables "iptables-legacy"
    chain: str
    tool: str  # iptables, ip6tables, or nft
    accepts: bool | None  # whether a rule lets through what was translated; None: they could not be read
    words: str = ""  # why


def obstructions(served: Collection[Summary]) -> Iterator[Obstruction]:
    """What stands in the way of services; of none, what would be in the way of any. For targets that translate."""
    families = {one.version for summary in served for one in summary.listeners} or {4, 6}
    endpoints = _endpoints(served)
    yield from _forwarding(families, named=bool(endpoints))
    for policy in _policies("forward"):
        if policy.families & families and not policy.accepts:
            yield _dropped(policy)
    yield from _routes(endpoints, _addresses(served))
    yield from _bridges(endpoints)


def _endpoints(served: Collection[Summary]) -> list[str]:
    """One for each network of endpoints."""
    found: dict[str, str] = {}
    for summary in served:
        for listener in summary.listeners:
            for address, _, _ in listener.endpoints:
                found.setdefault(_network(address), address)
    return list(found.values())[:_LOOKED_AT]


def _network(address: str) -> str:
    """The network that it stands for, as text: made without parsing where that is easy, as there may be thousands."""
    if ":" not in address:
        return address.rpartition(".")[0]
    return str(ip_network(f"{address}/{_ALIKE[6]}", strict=False))


def _addresses(served: Collection[Summary]) -> list[str]:
    found = {one.address: None for summary in served for one in summary.listeners if one.address is not None}
    return list(dict(zip(map(_network, found), found, strict=True)).values())[:_LOOKED_AT]


# ---- forwarding


def _forwarding(families: Collection[int], *, named: bool) -> Iterator[Obstruction]:
    """Where endpoints are on other machines packets have to be forwarded (ip-sysctl)."""
    keys = {4: "ipv4/conf/{}/forwarding", 6: "ipv6/conf/{}/forwarding"}
    for family in sorted(families):
        key = "net.ipv4.ip_forward" if family == 4 else "net.ipv6.conf.all.forwarding"
        if _sysctl(keys[family].format("all")) == "0":
            yield Obstruction(f"IPv{family} forwarding", "off", f"sysctl -w {key}=1")
            continue
        for device in _devices() if named else ():
            if _sysctl(keys[family].format(device)) == "0":
                name = f"net.ipv{family}.conf.{device}.forwarding"
                yield Obstruction(f"IPv{family} forwarding from {device}", "off", f"sysctl -w {name}=1")


def _sysctl(name: str) -> str:
    try:
        return (_SYS / name).read_text(encoding="ascii").strip()
    except OSError:
        return ""


def _devices() -> list[str]:
    return sorted(name for _, name in socket.if_nameindex() if name != "lo")


# ---- firewalls


def _policies(hook: str) -> Iterator[_Policy]:
    yield from _nft_policies(hook)
    tables = Path("/proc/thread-self/net/ip_tables_names"), Path("/proc/thread-self/net/ip6_tables_names")
    for names, family, tool in zip(tables, (4, 6), ("iptables", "ip6tables"), strict=True):
        save = f"{tool}-legacy-save"
        if names.exists() and "filter" in names.read_text(encoding="ascii").split() and tools.find(save):
            listed = tools.run([save, "-t", "filter"])
            if f"\n:{hook.upper()} DROP " in listed.stdout:
                accepts = bool(_TRANSLATED_IPTABLES.search(listed.stdout))
                yield _Policy(frozenset({family}), "filter", hook.upper(), f"{tool}-legacy", accepts)


def _nft_policies(hook: str) -> Iterator[_Policy]:
    if tools.find("nft") is None:
        return
    done = tools.run(["nft", "-j", "list", "chains"])
    try:
        listed = json.loads(done.stdout)["nftables"]
    except (ValueError, KeyError, TypeError):
        if done.returncode:  # without nf_tables in the kernel there is nothing to read
            return
        listed = []
    for item in listed:
        chain = item.get("chain", {})
        if chain.get("hook") == hook and chain.get("type") == "filter" and chain.get("policy") == "drop":
            yield from _nft_policy(chain["family"], chain["table"], chain["name"])


def _nft_policy(family: str, table: str, chain: str) -> Iterator[_Policy]:
    families = {"ip": frozenset({4}), "ip6": frozenset({6}), "inet": frozenset({4, 6})}.get(family)
    if families is None:
        return
    by_iptables = table == "filter" and chain.isupper() and family != "inet"
    tool = ("iptables" if family == "ip" else "ip6tables") if by_iptables else "nft"
    save = [f"{tool}-nft-save", "-t", "filter"] if by_iptables else ["nft", "list", "table", family, table]
    name = table if by_iptables else f"{family} {table}"
    if tools.find(save[0]) is None:
        yield _Policy(families, name, chain, tool, None, f"there is no {save[0]}")
        return
    done = tools.run(save)
    if done.returncode:
        yield _Policy(families, name, chain, tool, None, done.words)
        return
    pattern = _TRANSLATED_IPTABLES if by_iptables else _TRANSLATED
    yield _Policy(families, name, chain, tool, bool(pattern.search(done.stdout)))


def _dropped(policy: _Policy) -> Obstruction:
    if policy.tool == "nft":
        remedy = f"nft insert rule {policy.table} {policy.chain} ct status dnat accept"
    else:
        remedy = f"{policy.tool} -I {policy.chain} -m conntrack --ctstate DNAT -j ACCEPT"
    where = f"{policy.tool} {policy.table} {policy.chain}"
    unread = f"; its rules were not read: {policy.words}" if policy.accepts is None else ""
    return Obstruction(where, f"drops by default, and no rule there accepts what was translated{unread}", remedy)


# ---- routes


def _routes(endpoints: Collection[str], addresses: Collection[str]) -> Iterator[Obstruction]:
    for address in endpoints:
        if (why := _unreachable(address)) is not None:
            length = 32 if ip_address(address).version == 4 else 128
            remedy = f"ip route add {address}/{length} via ROUTER (or a route for its network)"
            yield Obstruction(f"route to endpoint {address}", why, remedy)
    for address in addresses:
        if (why := _unreachable(address)) is not None:
            state = f"{why}: this machine's own clients cannot send there, nor may clients of far networks be answered"
            version = "-6 " if ":" in address else ""
            yield Obstruction(f"route to service address {address}", state, f"ip {version}route add default via ROUTER")
            return


def _unreachable(address: str) -> str | None:
    """Why the kernel has no way to an address; None where it has one. A UDP socket that connects asks for the route and
    sends nothing (udp(7))."""
    with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((address, 9))
        except OSError as error:
            if error.errno in (errno.ENETUNREACH, errno.EHOSTUNREACH, errno.EACCES, errno.EINVAL, errno.EADDRNOTAVAIL):
                return "none" if error.errno == errno.ENETUNREACH else f"the route says: {error.strerror}"
    return None


# ---- bridges


def _bridges(endpoints: Collection[str]) -> Iterator[Obstruction]:
    """Between two ports of one bridge packets pass netfilter only if br_netfilter hands them over: else an endpoint's
    answer reaches a client on its own bridge with the endpoint's address, and is refused."""
    if not endpoints:
        return
    from pyroute2 import IPRoute

    with IPRoute() as kernel:
        bridges = {
            link["index"]: str(link.get_attr("IFLA_IFNAME"))
            for link in kernel.get_links()
            if (info := link.get_attr("IFLA_LINKINFO")) and info.get_attr("IFLA_INFO_KIND") == "bridge"
        }
        if not bridges:
            return
        found: set[tuple[str, int]] = set()
        for address in endpoints:
            if _unreachable(address) is None:
                for route in kernel.route("get", dst=address):
                    if (index := route.get_attr("RTA_OIF")) in bridges:
                        found.add((bridges[index], ip_address(address).version))
    for bridge, version in sorted(found):
        key = f"bridge-nf-call-ip{'6' if version == 6 else ''}tables"
        if (value := _sysctl(f"bridge/{key}")) != "1":
            state = f"{key} is {value or 'not there'}: its ports answer each other past the rules"
            before = "" if value else "modprobe br_netfilter && "
            yield Obstruction(f"bridge {bridge}", state, f"{before}sysctl -w net.bridge.{key}=1")
