"""The driver of IPVS' virtual servers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from typing import ClassVar

from svcc.apply.driver import Driver, Transition
from svcc.apply.drivers.sets import IpsetDriver, meaning
from svcc.apply.foreign import own_sets
from svcc.apply.scope import Scope
from svcc.kernel.ipset.reading import read_sets
from svcc.kernel.ipset.sets import Sets, parse_sets
from svcc.kernel.ipvs import asking, difference, loading
from svcc.kernel.ipvs.reading import read_servers
from svcc.kernel.ipvs.servers import VirtualServers, dump_servers, keys_of_text, load_servers, mark_of, parse_servers
from svcc.kernel.routes import Route, Routes
from svcc.kernel.steps import Change, Step


class IpvsadmDriver(Driver[VirtualServers]):
    """The driver of IPVS' virtual servers, which have no names. Ours are those of the bundles that may be in the
    kernel, and those that our sets in the kernel declare: the sets tell even where somebody loaded the artifacts by
    hand. The sets are read once, and only where there are other virtual servers as well, or some that go by a mark.
    """

    part: ClassVar[str] = difference.PART
    balances = True
    can_ask = True

    def from_target(self, state: object) -> VirtualServers | None:
        return state if isinstance(state, dict) else None

    def parse(self, text: str, scope: Scope) -> VirtualServers:
        return _with_frontends(parse_servers(text), lambda: _sets_beside(text, scope))

    def read(self, scope: Scope, wanted: VirtualServers) -> VirtualServers:
        known = {key for text in scope.texts(self.part) for key in keys_of_text(text)}
        sets = cache(lambda: own_sets(read_sets(scope, meaning().declares), scope))
        found = read_servers(known, lambda: {*meaning().virtual_servers(sets())})
        return _with_frontends(found, sets)

    def ask(self, have: VirtualServers, want: VirtualServers, scope: Scope) -> VirtualServers | None:
        return asking.ask(have, want)

    def changes(self, live: VirtualServers, wanted: VirtualServers) -> Iterator[Change]:
        return difference.changes(live, wanted)

    def steps(self, live: VirtualServers, wanted: VirtualServers, scope: Scope, transition: Transition) -> list[Step]:
        return loading.steps(live, wanted)

    def dump(self, state: VirtualServers) -> object:
        return dump_servers(state)

    def load(self, data: object) -> VirtualServers:
        return load_servers(data)

    def obstacles(self, live: VirtualServers, wanted: VirtualServers, scope: Scope) -> Iterator[str]:
        return loading.obstacles(live, wanted)

    def routes(self, state: VirtualServers) -> Iterator[Route]:
        return difference.routes(state)

    def served(self, state: VirtualServers) -> Iterator[Route]:
        return difference.served(state)

    def gone_routes(self, live: VirtualServers, wanted: VirtualServers) -> Routes:
        return difference.routes_gone(live, wanted)


def _with_frontends(servers: VirtualServers, sets: Callable[[], Sets]) -> VirtualServers:
    """Return the virtual servers, and give each one that goes by a firewall mark the frontends whose packets ``sets``
    mark."""
    if not any(map(mark_of, servers)):
        return servers
    frontends = meaning().marked(sets())
    return {key: replace(one, frontends=frontends[key]) if key in frontends else one for key, one in servers.items()}


def _sets_beside(text: str, scope: Scope) -> Sets:
    """Return the sets of the bundle whose virtual servers have this text. Errors: ValueError."""
    for bundle in scope.bundles:
        servers, sets = bundle.artifact(difference.PART), bundle.artifact(IpsetDriver.part)
        if servers and sets and servers.text == text:
            return parse_sets(sets.text)
    return {}
