"""Where a state sends packets: from the map of services through the chains to the maps of endpoints."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from svcc.apply.nft.names import Keyed, keyed
from svcc.apply.nft.ways import Way, Ways, changed_keys
from svcc.kernel.nft.state import FAMILIES, NftState, Table
from svcc.kernel.steps import Route


def routes(state: NftState) -> Iterator[Route]:
    for table in state.tables.values():
        ways = Ways(table)
        for name, named in table.sets.items():
            known = keyed(name)
            if known is not None and known.services:
                yield from _routes(table, ways, known, name, named.elements)


def left(live: NftState, wanted: NftState) -> set[Route]:
    """The routes of ``live`` that ``wanted`` lacks, looking only at the frontends that differ."""
    gone: set[Route] = set()
    kept: set[Route] = set()
    for family in FAMILIES:
        old, new = live.tables.get(family, Table("")), wanted.tables.get(family, Table(""))
        ways = Ways(old), Ways(new)
        for name, keys in changed_keys(old, new, ways).items():
            known = keyed(name)
            assert known is not None, "the name of a map of services"
            gone.update(_routes(old, ways[0], known, name, keys))
            kept.update(_routes(new, ways[1], known, name, keys))
    return gone - kept


def _routes(table: Table, ways: Ways, known: Keyed, name: str, keys: Iterable[str]) -> Iterator[Route]:
    services = table.sets[name].elements if name in table.sets else {}
    for key in keys:
        verdict, _ = services.get(key, ("", ""))
        places = None
        for way in ways.of(verdict):
            endpoint = endpoint_of(table, way, key)
            if not endpoint:
                continue
            places = known.places(key) if places is None else places
            mapping = dict(way.port) if isinstance(way.port, tuple) else None
            for place in places:
                port = _port(way, mapping, place.port)
                if port is not None:
                    yield Route(place, endpoint, port)


def endpoint_of(table: Table, way: Way, key: str) -> str:
    """The address in the slot; "" where there is none."""
    named = table.sets.get(way.endpoints)
    return named.elements.get(key, ("", ""))[0] if named else ""


def _port(way: Way, mapping: Mapping[str, str] | None, port: int) -> int | None:
    if mapping is not None:
        found = mapping.get(str(port))
        return None if found is None else int(found)
    return way.port if isinstance(way.port, int) else port
