"""Find what a first program for this machine should name: its addresses, its networks of pods, and the targets that it
can load."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from typing import cast

from svcc.apply.doctor import preflight
from svcc.kernel import tools
from svcc.kernel.addresses import Address, Network
from svcc.kernel.json_values import integer, optional, string
from svcc.kernel.netlink_messages import Message
from svcc.kernel.steps import StepError
from svcc.kernel.xtables import variant
from svcc.targets.interface import Target

#: The devices by which pods and containers are reached: the kernel's kinds of them, and names that programs give them.
_POD_KINDS = ("bridge", "vxlan", "geneve")
_POD_NAMES = re.compile(r"(cali|cilium_|flannel|lxc|tunl|veth|weave|docker|podman|cni|kube-bridge)")
_TABLE_MAIN, _UNICAST = 254, 1  # RT_TABLE_MAIN, RTN_UNICAST (linux/rtnetlink.h)
_SCOPE_GLOBAL = 0  # RT_SCOPE_UNIVERSE
_PASSING = 0x01 | 0x20  # IFA_F_TEMPORARY, IFA_F_DEPRECATED (linux/if_addr.h)


@dataclass(frozen=True, slots=True)
class Survey:
    """What was found on a machine."""

    name: str  # the machine's own
    addresses: tuple[Address, ...]  # by which others reach it
    pods: Mapping[Network, str]  # the device that leads to each
    near: tuple[Network, ...]  # every network with a route over one device, but for the default route
    tools: Mapping[str, str]  # the version of each installed tool, "" where it is not known
    variant: str | None  # of iptables; None: it is not installed
    able: tuple[str, ...]  # the targets for which nothing is missing


def survey(targets: Collection[Target]) -> Survey:
    """Look at this machine and its network namespace; nothing is changed or loaded. Errors: OSError."""
    from pyroute2 import IPRoute

    with IPRoute() as kernel:
        links = {link["index"]: _Link.of(link) for link in kernel.get_links()}
        addresses = [_Held.of(address) for address in kernel.get_addr()]
        routes = [_Route.of(route) for route in kernel.get_routes(table=_TABLE_MAIN, type=_UNICAST)]
    outward = {route.device for route in routes if route.network is None}
    inward = {index for index, link in links.items() if index not in outward and link.leads_to_pods}
    near = [(route.network, route.device) for route in routes if route.network is not None and route.is_near]
    return Survey(
        os.uname().nodename,
        tuple(_own(addresses, links, inward)),
        {network: links[device].name for network, device in near if device in inward},
        tuple(network for network, _ in near),
        _versions(),
        _variant(),
        tuple(target.name for target in targets if target.loads and not preflight(target.name)),
    )


@dataclass(frozen=True, slots=True)
class _Link:
    name: str
    kind: str  # "" for a device that is not virtual

    @classmethod
    def of(cls, message: Message) -> _Link:
        info = cast("Message | None", message.get_attr("IFLA_LINKINFO"))
        kind = info.get_attr("IFLA_INFO_KIND") if info else ""
        return cls(string(message.get_attr("IFLA_IFNAME")), str(kind))

    @property
    def leads_to_pods(self) -> bool:
        return self.kind in _POD_KINDS or _POD_NAMES.match(self.name) is not None

    @property
    def carries_services(self) -> bool:
        """Whether its addresses are likely those of services, or reach only this machine itself."""
        return self.name == "lo" or self.kind == "dummy"


@dataclass(frozen=True, slots=True)
class _Held:
    """An address on a device."""

    address: Address
    device: int  # its index
    family: int
    stays: bool
    is_global: bool

    @classmethod
    def of(cls, message: Message) -> _Held:
        flags = integer(message.get_attr("IFA_FLAGS") or message["flags"])
        address = ip_address(string(message.get_attr("IFA_LOCAL") or message.get_attr("IFA_ADDRESS")))
        return cls(
            address,
            integer(message["index"]),
            integer(message["family"]),
            address.version == 4 or not flags & _PASSING,
            message["scope"] == _SCOPE_GLOBAL,
        )


@dataclass(frozen=True, slots=True)
class _Route:
    network: Network | None  # None: the default route
    device: int | None  # its index; None: the route is over several

    @classmethod
    def of(cls, message: Message) -> _Route:
        length = integer(message["dst_len"])
        network = ip_network((string(message.get_attr("RTA_DST")), length)) if length else None
        return cls(network, optional(integer, message.get_attr("RTA_OIF")))

    @property
    def is_near(self) -> bool:
        """Whether the route leads over one device, to a network that is neither link-local nor multicast."""
        network = self.network
        return self.device is not None and network is not None and not (network.is_link_local or network.is_multicast)


def _own(addresses: Collection[_Held], links: Mapping[int, _Link], inward: Collection[int]) -> Iterator[Address]:
    """Yield the machine's own lasting addresses, IPv4 first, without those on devices that carry services or lead to
    pods."""
    for one in sorted(addresses, key=lambda one: (one.family, one.device)):
        if one.is_global and one.stays and not (links[one.device].carries_services or one.device in inward):
            yield one.address


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
