"""IPVS virtual servers."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any, ClassVar

from svcc.apply.driver import Driver, Transition
from svcc.apply.drivers.sets import meaning
from svcc.apply.scope import Scope
from svcc.kernel.ipset.reading import read_sets
from svcc.kernel.ipvs import difference, loading
from svcc.kernel.ipvs.reading import read_servers
from svcc.kernel.ipvs.servers import VirtualServers, dump_servers, keys_of_text, load_servers, parse_servers
from svcc.kernel.steps import Change, Route, Step


class IpvsadmDriver(Driver[VirtualServers]):
    """Virtual servers have no names. Ours are those of the bundles that may be in the kernel, and those that our live
    sets declare: these are there even where somebody loaded the artifacts by hand."""

    part: ClassVar[str] = difference.PART
    balances = True

    def made(self, state: object) -> VirtualServers | None:
        return state if isinstance(state, dict) else None

    def parse(self, text: str, scope: Scope) -> VirtualServers:
        return parse_servers(text)

    def read(self, scope: Scope, wanted: VirtualServers) -> VirtualServers:
        known = {key for text in scope.texts(self.part) for key in keys_of_text(text)}
        return read_servers(known, lambda: _declared(scope))

    def changes(self, live: VirtualServers, wanted: VirtualServers) -> Iterator[Change]:
        return difference.changes(live, wanted)

    def steps(self, live: VirtualServers, wanted: VirtualServers, scope: Scope, transition: Transition) -> list[Step]:
        return loading.steps(live, wanted)

    def dump(self, state: VirtualServers) -> Any:
        return dump_servers(state)

    def load(self, data: Any) -> VirtualServers:
        return load_servers(data)

    def obstacles(self, live: VirtualServers, wanted: VirtualServers, scope: Scope) -> Iterator[str]:
        return loading.obstacles(live, wanted)

    def routes(self, state: VirtualServers) -> Iterator[Route]:
        return difference.routes(state)

    def served(self, state: VirtualServers) -> Iterator[Route]:
        return difference.served(state)

    def left(self, live: VirtualServers, wanted: VirtualServers) -> set[Route]:
        return difference.routes_gone(live, wanted)


def _declared(scope: Scope) -> Collection[str]:
    """The virtual servers that our live sets declare."""
    known = meaning()
    return {*known.virtual_servers(read_sets(scope, known.declares))}
