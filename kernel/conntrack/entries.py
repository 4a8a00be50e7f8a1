"""List the connections that the kernel remembers, and have it forget some.

conntrack(8) lists them, which is quick even with a million of them; where it is missing, netlink does. They are deleted
by netlink, each by its exact original tuple: the tool would walk the whole table once for each.
"""

from __future__ import annotations

import errno
import re
import socket
from collections.abc import Collection, Iterator
from ipaddress import ip_address
from typing import NamedTuple

from svcc.kernel import tools
from svcc.kernel.steps import StepError

_NUMBERS = {"tcp": socket.IPPROTO_TCP, "udp": socket.IPPROTO_UDP, "sctp": 132}
_NAMES = {number: name for name, number in _NUMBERS.items()}
_FAMILIES = {4: (socket.AF_INET, "ipv4"), 6: (socket.AF_INET6, "ipv6")}
_ENTRY = re.compile(
    r"^(?P<protocol>\w+) .*?src=(?P<client>\S+) dst=(?P<to>\S+) sport=(?P<from_port>\d+) dport=(?P<port>\d+)"
    r"(?: packets=(?P<packets>\d+) bytes=(?P<bytes>\d+))? .*?"
    r"src=(?P<endpoint>\S+) dst=\S+ sport=(?P<target>\d+) dport=\d+"
    r"(?: packets=(?P<packets_back>\d+) bytes=(?P<bytes_back>\d+))?",
    re.MULTILINE,
)


class Volume(NamedTuple):
    """How many packets and bytes went over connections: from the client, and back to it."""

    packets: int
    bytes: int
    packets_back: int
    bytes_back: int

    def plus(self, other: Volume) -> Volume:
        """Return the sum of both volumes."""
        return Volume(*map(sum, zip(self, other, strict=True)))


class Connection(NamedTuple):
    """A connection: what its client addressed, and who answers."""

    protocol: str
    client: str
    client_port: int
    address: str  # that the client addressed
    port: int  # likewise
    endpoint: str  # the address that answers
    target: int  # the port that answers
    volume: Volume | None = None  # None: the kernel does not count it

    @property
    def translated(self) -> bool:
        """Whether another address or port answers than the one that was addressed."""
        return (self.address, self.port) != (self.endpoint, self.target)


def connections(protocols: Collection[str] = ("tcp", "udp", "sctp")) -> Iterator[Connection]:
    """Yield all connections of these protocols, of both address families. Errors: StepError where they cannot be
    read."""
    for version in _FAMILIES:
        yield from _listed(version, protocols) if tools.find("conntrack") else _dumped(version, protocols)


def _listed(version: int, protocols: Collection[str]) -> Iterator[Connection]:
    only = ["-p", *protocols] if len(protocols) == 1 else []
    done = tools.run(["conntrack", "-L", "-f", _FAMILIES[version][1], *only])
    if done.returncode:
        raise done.error("conntrack", reading=True)
    for found in _ENTRY.finditer(done.stdout):
        if found["protocol"] in protocols:
            yield Connection(
                found["protocol"],
                found["client"],
                int(found["from_port"]),
                found["to"],
                int(found["port"]),
                found["endpoint"],
                int(found["target"]),
                _volume(*found.group("packets", "bytes", "packets_back", "bytes_back")),
            )


def _volume(*counted: str | int | None) -> Volume | None:
    known = [int(number) for number in counted if number is not None]
    return Volume(*known) if len(known) == len(counted) else None


def _dumped(version: int, protocols: Collection[str]) -> Iterator[Connection]:
    from pyroute2 import NFCTSocket

    with NFCTSocket(nfgen_family=_FAMILIES[version][0]) as kernel:
        for message in kernel.dump():
            original, reply = message.get_attr("CTA_TUPLE_ORIG"), message.get_attr("CTA_TUPLE_REPLY")
            name = _NAMES.get(original.get_attr("CTA_TUPLE_PROTO").get_attr("CTA_PROTO_NUM"))
            if name is not None and name in protocols:
                client, address = _ends(original, version)
                endpoint, _ = _ends(reply, version)
                yield Connection(name, *client, *address, *endpoint, _volume(*_counters(message)))


def _counters(message: object) -> Iterator[int | None]:
    for side in ("CTA_COUNTERS_ORIG", "CTA_COUNTERS_REPLY"):
        counters = message.get_attr(side)  # type: ignore[attr-defined]
        for what in ("CTA_COUNTERS_PACKETS", "CTA_COUNTERS_BYTES"):
            yield counters and counters.get_attr(what)


def _ends(side: object, version: int) -> tuple[tuple[str, int], tuple[str, int]]:
    """Return source and destination, each with its port, from the netlink attribute of one direction."""
    ip = side.get_attr("CTA_TUPLE_IP")  # type: ignore[attr-defined]
    proto = side.get_attr("CTA_TUPLE_PROTO")  # type: ignore[attr-defined]
    return (
        (str(ip_address(ip.get_attr(f"CTA_IP_V{version}_SRC"))), int(proto.get_attr("CTA_PROTO_SRC_PORT"))),
        (str(ip_address(ip.get_attr(f"CTA_IP_V{version}_DST"))), int(proto.get_attr("CTA_PROTO_DST_PORT"))),
    )


def forget(stale: Collection[Connection]) -> int:
    """Have the kernel forget connections. Return how many it still remembered. Errors: StepError."""
    if not stale:
        return 0
    from pyroute2 import NFCTSocket
    from pyroute2.netlink.exceptions import NetlinkError
    from pyroute2.netlink.nfnetlink.nfctsocket import NFCTAttrTuple

    forgotten = 0
    for version, (family, _) in _FAMILIES.items():
        mine = [one for one in stale if ip_address(one.client).version == version]
        if not mine:
            continue
        with NFCTSocket(nfgen_family=family) as kernel:
            for one in mine:
                way = NFCTAttrTuple(family, one.client, one.address, _NUMBERS[one.protocol], one.client_port, one.port)
                try:
                    kernel.entry("del", tuple_orig=way)
                    forgotten += 1
                except NetlinkError as error:
                    if error.code != errno.ENOENT:  # it ended by itself meanwhile
                        raise StepError("conntrack", str(error)) from error
    return forgotten
