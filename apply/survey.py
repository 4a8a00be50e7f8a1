"""What a machine has that a first program should say: its addresses, its networks of pods, and what it can load."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from typing import Any

from svcc.apply.doctor import preflight
from svcc.kernel import tools
from svcc.kernel.addresses import Address, Network
from svcc.kernel.steps import StepError
from svcc.kernel.xtables import variant
from svcc.targets.interface import Target

#: Devices by which pods and containers are reached: kinds of the kernel's, and names that their programs give.
_POD_KINDS = ("bridge", "vxlan", "geneve")
_POD_NAMES = re.compile(r"(cali|cilium_|flannel|lxc|tunl|veth|weave|docker|podman|cni|kube-bridge)")
_TABLE_MAIN, _UNICAST = 254, 1  # RT_TABLE_MAIN, RTN_UNICAST (linux/rtnetlink.h)
_SCOPE_GLOBAL = 0  # RT_SCOPE_UNIVERSE
_PASSING = 0x01 | 0x20  # IFA_F_TEMPORARY, IFA_F_DEPRECATED (linux/if_addr.h)


@dataclass(frozen=True, slots=True)
class Survey:
    name: str  # the machine's own
    addresses: tuple[Address, ...]  # by which others reach it
    pods: Mapping[Network, str]  # the device that leads to each
    near: tuple[Network, ...]  # every network with a route but the default one
    tools: Mapping[str, str]  # version of each that is there, "" where it is not known
    variant: str | None  # of iptables, where that is there
    able: tuple[str, ...]  # targets for which nothing is missing


def survey(targets: Collection[Target]) -> Survey:
    """Look at this machine and its network namespace; nothing is changed or loaded. Errors: OSError."""
    from pyroute2 import IPRoute

    with IPRoute() as kernel:
        links = {link["index"]: link for link in kernel.get_links()}
        addresses, routes = list(kernel.get_addr()), list(kernel.get_routes(table=_TABLE_MAIN, type=_UNICAST))
    outward = {route.get_attr("RTA_OIF") for route in routes if not route["dst_len"]}
    inward = {index for index, link in links.items() if index not in outward and _leads_to_pods(link)}
    return Survey(
        os.uname().nodename,
        tuple(_own(addresses, links, inward)),
        {network: links[index].get_attr("IFLA_IFNAME") for network, index in _networks(routes) if index in inward},
        tuple(network for network, _ in _networks(routes)),
        _versions(),
        _variant(),
        tuple(target.name for target in targets if target.loads and not preflight(target.name)),
    )


def _kind(link: Any) -> str:
    info = link.get_attr("IFLA_LINKINFO")
    return str(info.get_attr("IFLA_INFO_KIND")) if info else ""


def _leads_to_pods(link: Any) -> bool:
    return _kind(link) in _POD_KINDS or _POD_NAMES.match(link.get_attr("IFLA_IFNAME")) is not None


def _own(addresses: Collection[Any], links: Mapping[int, Any], inward: Collection[int]) -> Iterator[Address]:
    """Addresses that stay, IPv4 first, without those on devices that only carry other people's service addresses."""
    for one in sorted(addresses, key=lambda one: (one["family"], one["index"])):
        flags = one.get_attr("IFA_FLAGS") or one["flags"]
        address = ip_address(one.get_attr("IFA_LOCAL") or one.get_attr("IFA_ADDRESS"))
        loopback = links[one["index"]].get_attr("IFLA_IFNAME") == "lo" or _kind(links[one["index"]]) == "dummy"
        stays = address.version == 4 or not flags & _PASSING
        if one["scope"] == _SCOPE_GLOBAL and stays and not (loopback or one["index"] in inward):
            yield address


def _networks(routes: Collection[Any]) -> Iterator[tuple[Network, int]]:
    """Each network that has a route of its own, and the device that it leads over."""
    for route in routes:
        if route["dst_len"] and (index := route.get_attr("RTA_OIF")) is not None:
            network = ip_network((route.get_attr("RTA_DST"), route["dst_len"]))
            if not (network.is_link_local or network.is_multicast):
                yield network, index


def _versions() -> Mapping[str, str]:
    found = [name for name in ("nft", "iptables", "ipvsadm", "ipset") if tools.find(name)]
    return {name: ".".join(map(str, tools.version(name) or ())) for name in found}


def _variant() -> str | None:
    if tools.find("iptables") is None:
        return None
    try:
        return variant.default("iptables")
    except StepError:
        return None
