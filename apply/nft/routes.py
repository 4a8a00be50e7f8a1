"""Find where a state sends packets: from the map of services through the chains to the maps of endpoints."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache

from svcc.apply.nft.keys import FrontendKey
from svcc.apply.nft.slots import Slots, changed_keys
from svcc.kernel.nft.state import FAMILIES, NftState, Table
from svcc.kernel.routes import Route, Routes, routes_to
from svcc.kernel.steps import FrontendAddress

_NOTHING = Table("")


def routes(state: NftState) -> Iterator[Route]:
    """Yield the routes by which the state sends new connections: one for each endpoint of each frontend."""
    for slots in [_slots(state, family) for family in state.tables]:
        for key, name in slots.frontend_maps.services.items():
            if name in slots.table.sets:
                yield from _routes(slots, key, slots.table.sets[name].elements)


def gone_routes(live: NftState, wanted: NftState) -> Routes:
    """Return the routes of ``live`` that ``wanted`` lacks. Only frontends that differ are looked at."""
    gone: list[Route] = []
    kept: list[Route] = []
    for family in FAMILIES:
        old, new = _slots(live, family), _slots(wanted, family)
        for name, keys in changed_keys(old, new).items():
            for slots, found in ((old, gone), (new, kept)):
                if name in slots.frontend_maps.keys:
                    found.extend(_routes(slots, slots.frontend_maps.keys[name], keys))
    return Routes.of(gone) - Routes.of(kept)


def _slots(state: NftState, family: str) -> Slots:
    """Return the slots of a family's table; none where the kernel meets none of its rules."""
    table = state.tables.get(family, _NOTHING)
    return Slots(_NOTHING if table.is_dormant else table)


def _routes(slots: Slots, known: FrontendKey, keys: Iterable[str]) -> Iterator[Route]:
    name = slots.frontend_maps.services.get(known, "")
    services = slots.table.sets[name].elements if name in slots.table.sets else {}
    for key in keys:
        verdict, _ = services.get(key, ("", ""))
        for slot in slots.of(verdict):
            endpoint = slots.endpoint(slot, key)
            ports = known.ports(key) if endpoint else range(0)
            if not ports:
                continue
            frontend = known.at(key, ports[0])
            if isinstance(slot.port, tuple):
                yield from _mapped(frontend, ports, endpoint, slot.port)
            else:
                yield from routes_to(frontend, len(ports), endpoint, slot.port)


def _mapped(
    frontend: FrontendAddress, ports: range, endpoint: str, mapping: tuple[tuple[str, str], ...]
) -> Iterator[Route]:
    """Yield the routes of those of a frontend's ports for which a mapping has the endpoint's."""
    for first, to, count in _runs(mapping):
        start, stop = max(first, ports.start), min(first + count, ports.stop)
        if start < stop:
            at = FrontendAddress(frontend.address, frontend.protocol, start)
            yield Route(at, endpoint, to + start - first, stop - start)


@lru_cache(maxsize=256)
def _runs(mapping: tuple[tuple[str, str], ...]) -> tuple[tuple[int, int, int], ...]:
    """Return a mapping of ports as runs: the first port, what it is mapped to, and how many follow one to one."""
    found: list[tuple[int, int, int]] = []
    for port, to in sorted((int(port), int(to)) for port, to in mapping):
        first, start, count = found[-1] if found else (0, 0, 0)
        if count and (port, to) == (first + count, start + count):
            found[-1] = first, start, count + 1
        else:
            found.append((port, to, 1))
    return tuple(found)
