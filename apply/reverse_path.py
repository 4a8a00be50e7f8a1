"""Find answers that Linux drops because they come in by another device than the one that leads back (``rp_filter`` 1,
ip-sysctl.rst; RFC 3704, section 2.2). IPv6 has no such setting."""

from __future__ import annotations

import errno
import socket
from collections.abc import Collection, Iterator
from ipaddress import IPv4Network, ip_address
from pathlib import Path
from typing import NamedTuple

_CONF = Path("/proc/sys/net/ipv4/conf")
_STRICT = 1
#: What the kernel answers for such a packet: EXDEV, and EINVAL of late (measured on Linux 6.1 and 6.18).
_REFUSED = (errno.EXDEV, errno.EINVAL)


class ReversePathDrop(NamedTuple):
    """A device, and an endpoint in its network, whose packets the machine drops when they come in by that device."""

    device: str
    endpoint: str


def reverse_path_drops(endpoints: Collection[str]) -> Iterator[ReversePathDrop]:
    """Yield each strict device with an endpoint in its network to which another device leads.

    ``endpoints``: their addresses.
    """
    strict = strict_devices()
    some = [one for one in endpoints if ":" not in one]
    if not strict or not some:
        return
    from pyroute2 import IPRoute
    from pyroute2.netlink.exceptions import NetlinkError

    with IPRoute() as kernel:
        links = {link["index"]: str(link.get_attr("IFLA_IFNAME")) for link in kernel.get_links()}
        for held in kernel.get_addr(family=socket.AF_INET):
            device, own = links.get(held["index"], ""), held.get_attr("IFA_LOCAL")
            network = IPv4Network((held.get_attr("IFA_ADDRESS"), held["prefixlen"]), strict=False)
            for endpoint in some if device in strict else ():
                if ip_address(endpoint) in network and endpoint != own:
                    try:
                        kernel.route("get", dst=own, src=endpoint, iif=held["index"])
                    except NetlinkError as error:
                        if error.code in _REFUSED:
                            yield ReversePathDrop(device, endpoint)


def strict_devices() -> list[str]:
    """Return the devices that drop packets which come in by another way than the one back. The kernel takes the greater
    of the value of ``all`` and a device's own."""
    every = _value("all")
    found = sorted(path.name for path in _CONF.iterdir() if path.name not in ("all", "default", "lo"))
    return [name for name in found if max(every, _value(name)) == _STRICT]


def _value(device: str) -> int:
    try:
        return int((_CONF / device / "rp_filter").read_text(encoding="ascii"))
    except OSError:  # a device that has just gone
        return 0


def dropped_so_far() -> int:
    """Return how many packets this network namespace has dropped for this reason (TcpExt of /proc/net/netstat)."""
    lines = Path("/proc/thread-self/net/netstat").read_text(encoding="ascii").splitlines()
    rows = [line.split()[1:] for line in lines if line.startswith("TcpExt:")]
    return int(dict(zip(*rows[:2], strict=True)).get("IPReversePathFilter", 0)) if len(rows) > 1 else 0
