"""Connections that the kernel remembers (conntrack): counting them by endpoint, and forgetting those that lead nowhere.

Listing is conntrack(8)'s work, which takes a million of them in its stride; without it, netlink's. Deleting is by
netlink, each by its exact original tuple: the tool would walk the whole table once for each.
"""

from __future__ import annotations

import errno
import re
import socket
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator
from ipaddress import ip_address
from typing import NamedTuple, TypeAlias

from svcc.kernel import tools
from svcc.kernel.local_addresses import serving
from svcc.kernel.steps import Place, Route, StepError

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
    """What went over connections: there, from the client, and back."""

    packets: int
    bytes: int
    packets_back: int
    bytes_back: int

    def plus(self, other: Volume) -> Volume:
        return Volume(*map(sum, zip(self, other, strict=True)))


class Usage(NamedTuple):
    """The connections of a route, and their volume as far as it is counted (net.netfilter.nf_conntrack_acct)."""

    connections: int = 0
    volume: Volume | None = None

    def plus(self, other: Usage) -> Usage:
        volume = self.volume.plus(other.volume) if self.volume and other.volume else self.volume or other.volume
        return Usage(self.connections + other.connections, volume)


class Connection(NamedTuple):
    """A connection as its client addressed it, and who answers."""

    protocol: str
    client: str
    client_port: int
    address: str
    port: int
    endpoint: str
    target: int
    volume: Volume | None = None  # where the kernel counts it

    @property
    def translated(self) -> bool:
        return (self.address, self.port) != (self.endpoint, self.target)


def connections(protocols: Collection[str] = ("tcp", "udp", "sctp")) -> Iterator[Connection]:
    """All of these protocols, in both families. Errors: StepError where the kernel does not tell."""
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
            there, back = message.get_attr("CTA_TUPLE_ORIG"), message.get_attr("CTA_TUPLE_REPLY")
            name = _NAMES.get(there.get_attr("CTA_TUPLE_PROTO").get_attr("CTA_PROTO_NUM"))
            if name is not None and name in protocols:
                client, address = _ends(there, version)
                endpoint, _ = _ends(back, version)
                yield Connection(name, *client, *address, *endpoint, _volume(*_counters(message)))


def _counters(message: object) -> Iterator[int | None]:
    for side in ("CTA_COUNTERS_ORIG", "CTA_COUNTERS_REPLY"):
        counters = message.get_attr(side)  # type: ignore[attr-defined]
        for what in ("CTA_COUNTERS_PACKETS", "CTA_COUNTERS_BYTES"):
            yield counters and counters.get_attr(what)


def _ends(side: object, version: int) -> tuple[tuple[str, int], tuple[str, int]]:
    """Source and destination, each with its port, of one direction's netlink attribute."""
    ip = side.get_attr("CTA_TUPLE_IP")  # type: ignore[attr-defined]
    proto = side.get_attr("CTA_TUPLE_PROTO")  # type: ignore[attr-defined]
    return (
        (str(ip_address(ip.get_attr(f"CTA_IP_V{version}_SRC"))), int(proto.get_attr("CTA_PROTO_SRC_PORT"))),
        (str(ip_address(ip.get_attr(f"CTA_IP_V{version}_DST"))), int(proto.get_attr("CTA_PROTO_DST_PORT"))),
    )


class _Ways:
    """Routes, looked up by what a connection shows of them."""

    def __init__(self, routes: Iterable[Route], serves: Callable[[str], bool]) -> None:
        self._serves = serves
        self._routes = {(r.place.address, r.place.protocol, r.place.port, r.endpoint, r.port): r for r in routes}

    def of(self, one: Connection) -> Route | None:
        """The route that a connection took: through its address, or through a node port."""
        route = self._routes.get((one.address, one.protocol, one.port, one.endpoint, one.target))
        if route is None:
            route = self._routes.get((None, one.protocol, one.port, one.endpoint, one.target))
            return route if route is not None and self._serves(one.address) else None
        return route


def count(routes: Collection[Route]) -> Counter[Route]:
    """How many connections each route has now."""
    return Counter({route: used.connections for route, used in usage(routes).items()})


def usage(routes: Collection[Route]) -> dict[Route, Usage]:
    """What each route has now, of those that have connections."""
    found: dict[Route, Usage] = {}
    if not routes:
        return found
    ways = _Ways(routes, serving(()))
    for one in connections({route.place.protocol for route in routes}):
        route = ways.of(one)
        if route is not None:
            found[route] = found.get(route, Usage()).plus(Usage(1, one.volume))
    return found


#: What connections show of a route: the address that their client named (None: a node port), protocol and port; the
#: endpoint and its port.
Shown: TypeAlias = tuple[str | None, str, int, str, int]


def tally(protocols: Collection[str]) -> dict[Shown, Usage]:
    """All translated connections by what they show of their routes; those to the machine's own addresses by port too.

    Errors: StepError.
    """
    found: dict[Shown, Usage] = {}
    for one in connections(protocols):
        if one.translated:
            key: Shown = (one.address, one.protocol, one.port, one.endpoint, one.target)
            known = found.get(key)
            found[key] = Usage(1, one.volume) if known is None else known.plus(Usage(1, one.volume))
    serves = serving(())
    own = {address: serves(address) for address in {str(key[0]) for key in found}}
    for key, used in list(found.items()):
        if own[str(key[0])]:
            port: Shown = (None, *key[1:])
            found[port] = found.get(port, Usage()).plus(used)
    return found


def stale(left: Collection[Route], served: Collection[Place], networks: Collection[str] = ()) -> list[Connection]:
    """UDP connections that would go on to where nothing answers them.

    ``left``: routes that are gone, with their endpoints. ``served``: places that are served now and were not: what
    talked to them then is remembered as going to the address itself. Only UDP: its clients never notice, so the kernel
    never forgets. ``networks``: in which a local address serves node ports now; none: in all. What is sent through this
    machine to a port of another one's is not ours, whatever the port.
    """
    gone = [route for route in left if route.place.protocol == "udp"]
    new = {(place.address, place.port) for place in served if place.protocol == "udp"}
    if not gone and not new:
        return []
    ways, serves = _Ways(gone, serving(())), serving(networks)

    def came(one: Connection) -> bool:
        return (one.address, one.port) in new or ((None, one.port) in new and serves(one.address))

    return [one for one in connections(("udp",)) if ways.of(one) or (not one.translated and came(one))]


def forget(stale: Collection[Connection]) -> int:
    """Delete connections from the kernel's memory; returns how many there still were. Errors: StepError."""
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
