"""Find out which connections go over which routes: how many, with what volume, and which lead nowhere any more."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection
from typing import NamedTuple, TypeAlias

from svcc.kernel.conntrack.entries import Connection, Volume, connections
from svcc.kernel.local_addresses import serving
from svcc.kernel.routes import Destination, Frontends, Route, Routes, Way
from svcc.kernel.steps import FrontendAddress


class Usage(NamedTuple):
    """How many connections a route has, and their volume where the kernel counts it
    (net.netfilter.nf_conntrack_acct)."""

    connections: int = 0
    volume: Volume | None = None

    def plus(self, other: Usage) -> Usage:
        """Return the sum of both. A volume that is not counted adds nothing."""
        volume = self.volume.plus(other.volume) if self.volume and other.volume else self.volume or other.volume
        return Usage(self.connections + other.connections, volume)


class _RoutesByConnection:
    """Routes that are looked up by what a connection shows of them."""

    def __init__(self, routes: Routes, serves: Callable[[str], bool]) -> None:
        self._serves = serves
        self._routes = routes

    def of(self, one: Connection) -> Route | None:
        """Return the route that a connection took, of its port alone, through its address or through a node port; None
        where it is none of these routes."""
        for address in (one.address, None):
            if self._routes.holds(Way(address, one.protocol, one.endpoint, one.target - one.port), one.port):
                if address is None and not self._serves(one.address):
                    return None
                return Route(FrontendAddress(address, one.protocol, one.port), one.endpoint, one.target)
        return None


def count(routes: Routes) -> Counter[Route]:
    """Return how many connections each route has now, port by port; without those that have none. Errors: StepError."""
    return Counter({route: used.connections for route, used in usage(routes).items()})


def usage(routes: Routes) -> dict[Route, Usage]:
    """Return the usage of each route that has connections now, port by port. Errors: StepError."""
    found: dict[Route, Usage] = {}
    if not routes:
        return found
    by_connection = _RoutesByConnection(routes, serving(()))
    for one in connections({way.protocol for way, _, _ in routes.ranges()}):
        route = by_connection.of(one)
        if route is not None:
            found[route] = found.get(route, Usage()).plus(Usage(1, one.volume))
    return found


#: What connections show of a route: the address that the client addressed (None: a node port), the protocol and the
#: port; the endpoint's address and its port.
Shown: TypeAlias = tuple[str | None, str, int, str, int]


def tally(protocols: Collection[str]) -> dict[Shown, Usage]:
    """Return the usage of all translated connections, by what they show of their routes. Connections to the machine's
    own addresses are counted once more as those of a node port.

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


def stale_connections(left: Routes, served: Frontends, networks: Collection[str] = ()) -> list[Connection]:
    """Return the UDP connections that would go on to where nothing answers them. Errors: StepError.

    A UDP client may go on sending for ever, and the kernel then never forgets its connection.

    ``left``: the routes that are gone. ``served``: the frontends that are served now, and were not before: the kernel
    remembers packets that were sent to them before as going to the address itself. ``networks``: the networks whose
    local addresses serve node ports now; none: all. Connections through this machine to another machine's address are
    left alone, whatever their port is.
    """
    gone = left.over("udp")
    if not gone and not any(to.protocol == "udp" for to, _, _ in served.ranges()):
        return []
    by_connection, serves = _RoutesByConnection(gone, serving(())), serving(networks)

    def is_new(one: Connection) -> bool:
        to_node_port = served.holds(Destination(None, "udp"), one.port)
        return served.holds(Destination(one.address, "udp"), one.port) or (to_node_port and serves(one.address))

    return [one for one in connections(("udp",)) if by_connection.of(one) or (not one.translated and is_new(one))]
