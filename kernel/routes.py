"""The routes that packets take to endpoints, and the frontends that clients reach, as sets of ranges of ports.

A range of ports costs as much as one port: a few words of a program may mean millions of ports.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Generic, NamedTuple, Self, TypeVar

from svcc.kernel.steps import FrontendAddress, socket_text

Key = TypeVar("Key", bound=Hashable)
_FIRST = itemgetter(0)


class _Ranges(Generic[Key]):
    """A set of ports for each of several keys."""

    __slots__ = ("_ranges",)

    def __init__(self, some: Iterable[tuple[Key, int, int]] = ()) -> None:
        """Make it of ranges, each with its key, its first and its last port. They may overlap."""
        found: dict[Key, list[tuple[int, int]]] = {}
        for key, first, last in some:
            found.setdefault(key, []).append((first, last))
        self._ranges = {key: ranges if len(ranges) == 1 else _joined(ranges) for key, ranges in found.items()}

    def ranges(self) -> Iterator[tuple[Key, int, int]]:
        """Yield the ranges of each key, in ascending order; two of them neither overlap nor touch."""
        return ((key, first, last) for key, ranges in self._ranges.items() for first, last in ranges)

    def holds(self, key: Key, port: int) -> bool:
        """Whether a port is in the set of a key."""
        ranges = self._ranges.get(key, ())
        at = bisect_right(ranges, port, key=_FIRST)
        return at > 0 and port <= ranges[at - 1][1]

    def __bool__(self) -> bool:
        return bool(self._ranges)

    def __len__(self) -> int:
        """Return the number of ranges."""
        return sum(map(len, self._ranges.values()))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Ranges) and self._ranges == other._ranges

    def __hash__(self) -> int:
        return hash(frozenset(self.ranges()))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({[*self.ranges()]})"

    def __or__(self, other: Self) -> Self:
        return type(self)([*self.ranges(), *other.ranges()])

    def __sub__(self, other: Self) -> Self:
        return type(self)(
            (key, first, last)
            for key, ranges in self._ranges.items()
            for first, last in _without(ranges, other._ranges.get(key, ()))
        )

    def __and__(self, other: Self) -> Self:
        return self - (self - other)


def _joined(ranges: list[tuple[int, int]]) -> list[tuple[int, int]]:
    ranges.sort()
    found = [ranges[0]]
    for first, last in ranges[1:]:
        if first <= found[-1][1] + 1:
            found[-1] = found[-1][0], max(found[-1][1], last)
        else:
            found.append((first, last))
    return found


def _without(ranges: Iterable[tuple[int, int]], others: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Yield what is left of ranges without others; both are in ascending order."""
    left = [*others][::-1]
    for first, last in ranges:
        while left and left[-1][1] < first:
            left.pop()
        for cut_first, cut_last in reversed(left):
            if cut_first > last:
                break
            if first < cut_first:
                yield first, cut_first - 1
            first = cut_last + 1
        if first <= last:
            yield first, last


class Destination(NamedTuple):
    """What clients connect to, without the port."""

    address: str | None  # None: a node port
    protocol: str


class Frontends(_Ranges[Destination]):
    """A set of frontends."""

    def __contains__(self, one: FrontendAddress) -> bool:
        return self.holds(Destination(one.address, one.protocol), one.port)

    def of(self, destination: Destination) -> Sequence[tuple[int, int]]:
        """Return the ranges of ports of a destination."""
        return self._ranges.get(destination, ())

    def texts(self) -> Iterator[str]:
        """Yield each range as text: "10.0.0.1:80/tcp", "node port 5000-5099/udp"."""
        return (ports_text(FrontendAddress(*to, first), last) for to, first, last in self.ranges())


def ports_text(at: FrontendAddress, last: int) -> str:
    """Return the ports of a frontend up to the last one as people read them: "198.19.10.0:80-81/tcp"."""
    return str(at) if at.port == last else f"{str(at).removesuffix(f'/{at.protocol}')}-{last}/{at.protocol}"


@dataclass(frozen=True, slots=True)
class Route:
    """A way that packets to a frontend may take: to one of its endpoints."""

    frontend: FrontendAddress
    endpoint: str  # the endpoint's address
    port: int  # the endpoint's port
    ports: int = 1  # how many ports the route is for: from these two on, one to one

    @property
    def version(self) -> int:
        """The version of IP."""
        return 6 if ":" in self.endpoint else 4

    def __str__(self) -> str:
        return f"{self.frontend} to {socket_text(self.endpoint, self.port)}"


def routes_to(frontend: FrontendAddress, ports: int, endpoint: str, port: int | None) -> Iterator[Route]:
    """Yield the routes from so many ports of a frontend on. ``port``: the endpoint's; None: the one that the client
    asked for."""
    if port is None or ports == 1:
        yield Route(frontend, endpoint, frontend.port if port is None else port, ports)
        return
    for shift in range(ports):
        yield Route(FrontendAddress(frontend.address, frontend.protocol, frontend.port + shift), endpoint, port)


class Way(NamedTuple):
    """What routes have in common whose ports alone differ."""

    address: str | None  # None: a node port
    protocol: str
    endpoint: str
    shift: int  # from the port that the client connects to, to the endpoint's


class Routes(_Ranges[Way]):
    """A set of routes."""

    @classmethod
    def of(cls, routes: Iterable[Route]) -> Routes:
        """Return the set of these routes."""
        return cls(
            (Way(at.address, at.protocol, one.endpoint, one.port - at.port), at.port, at.port + one.ports - 1)
            for one in routes
            for at in (one.frontend,)
        )

    def __iter__(self) -> Iterator[Route]:
        for way, first, last in self.ranges():
            frontend = FrontendAddress(way.address, way.protocol, first)
            yield Route(frontend, way.endpoint, first + way.shift, last - first + 1)

    def __contains__(self, one: Route) -> bool:
        """Whether a route for one port is in the set."""
        at = one.frontend
        return self.holds(Way(at.address, at.protocol, one.endpoint, one.port - at.port), at.port)

    def over(self, protocol: str) -> Routes:
        """Return the routes of a protocol."""
        return Routes(one for one in self.ranges() if one[0].protocol == protocol)

    def at(self, frontends: Frontends) -> Routes:
        """Return the routes that begin at these frontends."""
        return self & Routes(
            (way, first, last)
            for way in self._ranges
            for first, last in frontends.of(Destination(way.address, way.protocol))
        )

    @property
    def frontends(self) -> Frontends:
        """Where these routes begin."""
        return Frontends((Destination(way.address, way.protocol), first, last) for way, first, last in self.ranges())
