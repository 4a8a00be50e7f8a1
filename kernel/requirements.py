"""The tools that are run to speak to the kernel: where Debian has them, and how old they may be."""

from __future__ import annotations

from typing import NamedTuple


class Tool(NamedTuple):
    """A tool."""

    name: str
    package: str  # of Debian
    oldest: tuple[int, ...]  # version that is tested


NFT = Tool("nft", "nftables", (1, 0, 6))
IPTABLES = (Tool("iptables-restore", "iptables", (1, 8, 7)), Tool("ip6tables-restore", "iptables", (1, 8, 7)))
IPVSADM = Tool("ipvsadm", "ipvsadm", (1, 31))
IPSET = Tool("ipset", "ipset", (7, 11))
IP = Tool("ip", "iproute2", (5, 10))
SYSCTL = Tool("sysctl", "procps", (3, 3))
