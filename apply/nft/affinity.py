"""The clients that affinity remembers, when the endpoint that they had leaves its slot.

A client is remembered in the set of a slot. Where another endpoint takes the slot, or none, that is stale; where the
endpoint is in another slot now, the client goes there with what is left of its time. Both happen in the transaction
that changes the slots. What a client did between the reading of its set and the transaction, some milliseconds, is
not known to it: such a client has the slot's new endpoint.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

from svcc.apply.nft.slots import Slot, Slots, changed_keys
from svcc.kernel import tools
from svcc.kernel.json_values import Json
from svcc.kernel.nft import tool
from svcc.kernel.nft.delta import must_rebuild
from svcc.kernel.nft.elements import ElementWriter, key_text
from svcc.kernel.nft.netlink import PART
from svcc.kernel.nft.state import FAMILIES, Declaration, NftState, Table
from svcc.kernel.nft.transaction import Command, Writer


@dataclass(frozen=True, slots=True)
class Move:
    """The clients of a frontend go from one set to another, or are forgotten."""

    family: str
    source: str
    #: What a client's key has after the client: ``198.19.10.0 . tcp . 80``; of node port ranges and of services ""
    frontend: str
    target: str  # "": nowhere


@dataclass(frozen=True, slots=True)
class Client:
    """A client that a set of affinity remembers. ``key``: its element, as nft prints it."""

    key: str
    timeout: int  # seconds
    expires: int  # seconds from now


def moves(live: NftState, wanted: NftState) -> list[Move]:
    """What becomes of the clients of all slots that change. A table that is rebuilt forgets them all."""
    found: dict[Move, None] = {}
    for family in FAMILIES:
        old, new = live.tables.get(family), wanted.tables.get(family)
        if old is None or new is None or must_rebuild(old, new):
            continue
        if any(named.dynamic for named in old.sets.values()):
            found.update(dict.fromkeys(_moves(family, Slots(old), Slots(new))))
    return list(found)


def _moves(family: str, before: Slots, after: Slots) -> Iterator[Move]:
    known = {name: key for slots in (before, after) for key, name in slots.frontend_maps.services.items()}
    for name, keys in sorted(changed_keys(before, after).items()):
        for key in sorted(keys):
            old, new = _remembering(before, name, key), _remembering(after, name, key)
            frontend = key if known[name].protocol is None else key.rpartition(" . ")[0]
            for slot, endpoint in old.items():
                types = _types(before, slot.clients)
                alike = {w: address for w, address in new.items() if _types(after, w.clients) == types}
                target = _slot_of(slot, endpoint, alike)
                if len(types) == 1:  # clients alone: of a service, whose other frontends go on with the set
                    frontend = ""
                    if not new:
                        continue
                if target != slot.clients:
                    yield Move(family, slot.clients, frontend, target)


def _types(slots: Slots, clients: str) -> tuple[str, ...]:
    """What a set remembers: clients with their frontends, or clients alone."""
    sets = slots.table.sets
    return sets[clients].declaration.types if clients in sets else ()


def _remembering(slots: Slots, name: str, key: str) -> dict[Slot, str]:
    """The slots of a frontend that remember clients, with their endpoints."""
    sets = slots.table.sets
    verdict, _ = sets[name].elements.get(key, ("", "")) if name in sets else ("", "")
    remembering = sorted(
        (slot for slot in slots.of(verdict) if slot.clients), key=lambda slot: (slot.clients, repr(slot.port))
    )
    return {slot: endpoint for slot in remembering if (endpoint := slots.endpoint(slot, key))}


def _slot_of(slot: Slot, endpoint: str, slots: dict[Slot, str]) -> str:
    """The set of the slot that has an endpoint now: with its port if there is such a one, and where it was before."""
    same = [other for other, address in slots.items() if address == endpoint]
    same.sort(key=lambda other: (other.port != slot.port, other.clients != slot.clients))
    return same[0].clients if same else ""


def commands(live: NftState, wanted: NftState, moves: list[Move]) -> list[Command]:
    """For the end of the transaction. Reads the sets of clients. Errors: StepError."""
    forgotten: list[Command] = []
    remembered: list[Command] = []
    for family in FAMILIES:
        sources = dict.fromkeys(move.source for move in moves if move.family == family)
        for source in sources:
            targets = {m.frontend: m.target for m in moves if (m.family, m.source) == (family, source)}
            leaving = _Leaving(family, live.tables[family], wanted.tables[family], source, targets)
            forgotten += leaving.forgotten()
            remembered += leaving.remembered()
    return forgotten + remembered


class _Leaving:
    """The clients that leave one set. ``targets``: where to, by frontend."""

    def __init__(self, family: str, old: Table, new: Table, source: str, targets: dict[str, str]) -> None:
        declaration = old.sets[source].declaration if source in old.sets else Declaration(())
        self._source, self._sets = source, new.sets
        self._write, self._writer = Writer(family, new.name), ElementWriter(declaration)
        self._by_target: dict[str, list[Client]] = {}
        if source not in old.sets:
            return
        for client in _clients(family, old.name, source, declaration.types):
            target = targets.get(client.key.partition(" . ")[2])
            if target is not None:
                self._by_target.setdefault(target, []).append(client)

    def forgotten(self) -> Iterator[Command]:
        """They are added before they are deleted: one whose time is over meanwhile is not there to delete."""
        clients = [client for clients in self._by_target.values() for client in clients]
        if clients and self._source in self._sets:
            yield self._add(self._source, clients)
            keys = [client.key for client in clients]
            yield self._write.elements("delete", self._source, keys, [self._writer.json(key, ("", "")) for key in keys])

    def remembered(self) -> Iterator[Command]:
        for target, clients in self._by_target.items():
            if target in self._sets:
                yield self._add(target, clients)

    def _add(self, name: str, clients: list[Client]) -> Command:
        written: list[Json] = [
            {"elem": {"val": self._writer.json(c.key, ("", "")), "timeout": c.timeout, "expires": c.expires}}
            for c in clients
        ]
        return self._write.elements("add", name, [client.key for client in clients], written)


def _clients(family: str, table: str, name: str, types: tuple[str, ...]) -> Iterator[Client]:
    text = tool.list_set(family, table, name)
    with tools.understood(PART, "nft"):
        for entry in json.loads(text or '{"nftables": []}')["nftables"]:
            for item in entry.get("set", {}).get("elem", ()):
                element = item["elem"]
                if element.get("expires"):
                    timeout = element.get("timeout", element["expires"])
                    yield Client(key_text(element["val"], types), timeout, element["expires"])
