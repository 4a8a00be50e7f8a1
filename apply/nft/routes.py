"""Where a state sends packets: from the map of services through the chains to the maps of endpoints."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from svcc.apply.nft.keys import Key
from svcc.apply.nft.ways import Way, Ways, changed_keys
from svcc.kernel.nft.state import FAMILIES, NftState, Table
from svcc.kernel.steps import Route


def routes(state: NftState) -> Iterator[Route]:
    """Where the state sends new connections: each endpoint of each frontend."""
    for table in state.tables.values():
        ways = Ways(table)
        for key, name in ways.keyed.services.items():
            if name in table.sets:
                yield from _routes(ways, key, table.sets[name].elements)


def gone_routes(live: NftState, wanted: NftState) -> set[Route]:
    """The routes of ``live`` that ``wanted`` lacks, looking only at the frontends that differ."""
    gone: set[Route] = set()
    kept: set[Route] = set()
    for family in FAMILIES:
        old, new = (Ways(state.tables.get(family, Table(""))) for state in (live, wanted))
        for name, keys in changed_keys(old, new).items():
            for ways, found in ((old, gone), (new, kept)):
                if name in ways.keyed.keys:
                    found.update(_routes(ways, ways.keyed.keys[name], keys))
    return gone - kept


def _routes(ways: Ways, known: Key, keys: Iterable[str]) -> Iterator[Route]:
    name = ways.keyed.services.get(known, "")
    services = ways.table.sets[name].elements if name in ways.table.sets else {}
    for key in keys:
        verdict, _ = services.get(key, ("", ""))
        places = None
        for way in ways.of(verdict):
            endpoint = ways.endpoint(way, key)
            if not endpoint:
                continue
            places = known.places(key) if places is None else places
            mapping = dict(way.port) if isinstance(way.port, tuple) else None
            for place in places:
                port = _port(way, mapping, place.port)
                if port is not None:
                    yield Route(place, endpoint, port)


def _port(way: Way, mapping: Mapping[str, str] | None, port: int) -> int | None:
    if mapping is not None:
        found = mapping.get(str(port))
        return None if found is None else int(found)
    return way.port if isinstance(way.port, int) else port
