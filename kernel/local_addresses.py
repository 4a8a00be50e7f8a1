"""Find the machine's own addresses for node ports: all in the kernel's table ``local`` (ip-route(8)) except
loopback."""

from __future__ import annotations

from collections.abc import Callable, Collection
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from socket import AF_INET, AF_INET6

_TABLE_LOCAL, _TYPE_LOCAL = 255, 2  # RT_TABLE_LOCAL, RTN_LOCAL (linux/rtnetlink.h)


def serving(networks: Collection[str]) -> Callable[[str], bool]:
    """Return the function that says whether clients may reach node ports at an address.

    ``networks``: the cluster's nodeport-addresses; none: all. The kernel is asked at the first call of the function.
    """
    wanted = [ip_network(network) for network in networks]
    own: list[IPv4Network | IPv6Network] = []

    def serves(text: str) -> bool:
        if not own:
            own.extend(_local())
        address = ip_address(text)
        return (
            not address.is_loopback
            and any(address in network for network in own)
            and (not wanted or any(address in network for network in wanted))
        )

    return serves


def _local() -> list[IPv4Network | IPv6Network]:
    from pyroute2 import IPRoute

    with IPRoute() as kernel:
        return [
            ip_network((route.get_attr("RTA_DST"), route["dst_len"]))
            for family in (AF_INET, AF_INET6)
            for route in kernel.get_routes(family=family, table=_TABLE_LOCAL, type=_TYPE_LOCAL)
        ]
