"""Which connections went over which routes: how many, with what volume, and those that lead nowhere any more."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable
from typing import NamedTuple, TypeAlias

from svcc.kernel.conntrack.entries import Connection, Volume, connections
from svcc.kernel.local_addresses import serving
from svcc.kernel.steps import FrontendAddress, Route


class Usage(NamedTuple):
    """The connections of a route, and their volume as far as it is counted (net.netfilter.nf_conntrack_acct)."""

    connections: int = 0
    volume: Volume | None = None

    def plus(self, other: Usage) -> Usage:
        """The sum of both. A volume that is not counted adds nothing."""
        volume = self.volume.plus(other.volume) if self.volume and other.volume else self.volume or other.volume
        return Usage(self.connections + other.connections, volume)


class _Ways:
    """Routes, looked up by what a connection shows of them."""

    def __init__(self, routes: Iterable[Route], serves: Callable[[str], bool]) -> None:
        self._serves = serves
        self._routes = {
            (r.frontend.address, r.frontend.protocol, r.frontend.port, r.endpoint, r.port): r for r in routes
        }

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
    for one in connections({route.frontend.protocol for route in routes}):
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


def stale(
    left: Collection[Route], served: Collection[FrontendAddress], networks: Collection[str] = ()
) -> list[Connection]:
    """UDP connections that would go on to where nothing answers them.

    ``left``: routes that are gone, with their endpoints. ``served``: places that are served now and were not: what
    talked to them then is remembered as going to the address itself. Only UDP: its clients never notice, so the kernel
    never forgets. ``networks``: in which a local address serves node ports now; none: in all. What is sent through this
    machine to a port of another one's is not ours, whatever the port.
    """
    gone = [route for route in left if route.frontend.protocol == "udp"]
    new = {(frontend.address, frontend.port) for frontend in served if frontend.protocol == "udp"}
    if not gone and not new:
        return []
    ways, serves = _Ways(gone, serving(())), serving(networks)

    def came(one: Connection) -> bool:
        return (one.address, one.port) in new or ((None, one.port) in new and serves(one.address))

    return [one for one in connections(("udp",)) if ways.of(one) or (not one.translated and came(one))]
