"""The tools that svcc runs to speak to the kernel, the Debian packages that have them, and their oldest tested
versions."""

from __future__ import annotations

from typing import NamedTuple


class Tool(NamedTuple):
    """A tool that svcc runs."""

    name: str
    package: str  # the Debian package that has it
    oldest: tuple[int, ...]  # the oldest version that is tested


NFT = Tool("nft", "nftables", (1, 0, 6))
IPTABLES = (Tool("iptables-restore", "iptables", (1, 8, 7)), Tool("ip6tables-restore", "iptables", (1, 8, 7)))
IPVSADM = Tool("ipvsadm", "ipvsadm", (1, 31))
IPSET = Tool("ipset", "ipset", (7, 11))
IP = Tool("ip", "iproute2", (5, 10))
SYSCTL = Tool("sysctl", "procps", (3, 3))
