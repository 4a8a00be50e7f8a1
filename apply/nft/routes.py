"""Find where a state sends packets: from the map of services through the chains to the maps of endpoints."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from svcc.apply.nft.keys import FrontendKey
from svcc.apply.nft.slots import Slot, Slots, changed_keys
from svcc.kernel.nft.state import FAMILIES, NftState, Table
from svcc.kernel.steps import Route

_NOTHING = Table("")


def routes(state: NftState) -> Iterator[Route]:
    """Yield the routes by which the state sends new connections: one for each endpoint of each frontend."""
    for slots in [_slots(state, family) for family in state.tables]:
        for key, name in slots.frontend_maps.services.items():
            if name in slots.table.sets:
                yield from _routes(slots, key, slots.table.sets[name].elements)


def gone_routes(live: NftState, wanted: NftState) -> set[Route]:
    """Return the routes of ``live`` that ``wanted`` lacks. Only frontends that differ are looked at."""
    gone: set[Route] = set()
    kept: set[Route] = set()
    for family in FAMILIES:
        old, new = _slots(live, family), _slots(wanted, family)
        for name, keys in changed_keys(old, new).items():
            for slots, found in ((old, gone), (new, kept)):
                if name in slots.frontend_maps.keys:
                    found.update(_routes(slots, slots.frontend_maps.keys[name], keys))
    return gone - kept


def _slots(state: NftState, family: str) -> Slots:
    """Return the slots of a family's table; none where the kernel meets none of its rules."""
    table = state.tables.get(family, _NOTHING)
    return Slots(_NOTHING if table.is_dormant else table)


def _routes(slots: Slots, known: FrontendKey, keys: Iterable[str]) -> Iterator[Route]:
    name = slots.frontend_maps.services.get(known, "")
    services = slots.table.sets[name].elements if name in slots.table.sets else {}
    for key in keys:
        verdict, _ = services.get(key, ("", ""))
        frontends = None
        for slot in slots.of(verdict):
            endpoint = slots.endpoint(slot, key)
            if not endpoint:
                continue
            frontends = known.frontends(key) if frontends is None else frontends
            mapping = dict(slot.port) if isinstance(slot.port, tuple) else None
            for frontend in frontends:
                port = _port(slot, mapping, frontend.port)
                if port is not None:
                    yield Route(frontend, endpoint, port)


def _port(slot: Slot, mapping: Mapping[str, str] | None, port: int) -> int | None:
    if mapping is not None:
        found = mapping.get(str(port))
        return None if found is None else int(found)
    return slot.port if isinstance(slot.port, int) else port
