"""Move or forget the clients that affinity remembers, when their endpoint leaves its slot.

The set of a slot remembers clients. Where another endpoint takes the slot, or none does, the clients in the set are
stale. Where their endpoint is in another slot now, they move to the set of that slot, with the time that they have
left. Where what counts as one client differs (its network, say), all are stale: nothing would look them up, until it is
as before again. All this happens in the transaction that changes the slots. A client that comes in the milliseconds
between the reading of its set and the transaction is missed: it gets the slot's new endpoint.
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
from svcc.kernel.nft.expressions import Concat
from svcc.kernel.nft.netlink import PART
from svcc.kernel.nft.state import FAMILIES, Declaration, NftState, Table
from svcc.kernel.nft.transaction import Command, Writer


@dataclass(frozen=True, slots=True)
class Move:
    """What becomes of the clients of a frontend that a set remembers: they go to another set, or are forgotten."""

    family: str
    source: str  # the set that remembers them
    #: What follows the client in a key of the set: ``198.19.10.0 . tcp . 80``; "" for node port ranges and services.
    frontend: str
    target: str  # the set that they go to; "": they are forgotten


@dataclass(frozen=True, slots=True)
class Client:
    """A client that a set of affinity remembers."""

    key: str  # its element, as nft prints it
    timeout: int  # seconds
    expires: int  # seconds from now


def moves(live: NftState, wanted: NftState) -> list[Move]:
    """Return what becomes of the clients of all slots that change. A table that is rebuilt forgets all of its clients,
    and needs no move."""
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
                alike = {other: address for other, address in new.items() if other.client == slot.client}
                target = _slot_of(slot, endpoint, alike)
                if not isinstance(slot.client, Concat):
                    # The set has clients alone, for all frontends of a service: others still use it.
                    frontend = ""
                    if not new:
                        continue
                if target != slot.clients:
                    yield Move(family, slot.clients, frontend, target)


def _remembering(slots: Slots, name: str, key: str) -> dict[Slot, str]:
    """Return the slots of a frontend that remember clients, each with its endpoint's address."""
    sets = slots.table.sets
    verdict, _ = sets[name].elements.get(key, ("", "")) if name in sets else ("", "")
    remembering = sorted(
        (slot for slot in slots.of(verdict) if slot.clients), key=lambda slot: (slot.clients, repr(slot.port))
    )
    return {slot: endpoint for slot in remembering if (endpoint := slots.endpoint(slot, key))}


def _slot_of(slot: Slot, endpoint: str, slots: dict[Slot, str]) -> str:
    """Return the set of a slot that has an endpoint now; "" where none has. A slot with the same port is preferred,
    then one with the same set."""
    same = [other for other, address in slots.items() if address == endpoint]
    same.sort(key=lambda other: (other.port != slot.port, other.clients != slot.clients))
    return same[0].clients if same else ""


def commands(live: NftState, wanted: NftState, moves: list[Move]) -> list[Command]:
    """Return the commands that carry out the moves, for the end of the transaction. The sets of clients are read from
    the kernel for that. Errors: StepError."""
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
    """The clients that leave one set. ``targets``: the set that they go to, by frontend; "": none."""

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
        """Yield the commands that delete the clients from their set. They are added once more before that: the kernel
        would refuse to delete a client whose time ended meanwhile."""
        clients = [client for clients in self._by_target.values() for client in clients]
        if clients and self._source in self._sets:
            yield self._add(self._source, clients)
            keys = [client.key for client in clients]
            yield self._write.elements("delete", self._source, keys, [self._writer.json(key, ("", "")) for key in keys])

    def remembered(self) -> Iterator[Command]:
        """Yield the commands that add the clients to the sets that they go to."""
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
                    # A packet renews the time that is left and not the timeout, as the rule says (nft_dynset_update).
                    # So the kernel may list an element that expires after its timeout, which it refuses to add: ERANGE.
                    timeout = max(element.get("timeout", 0), element["expires"])
                    yield Client(key_text(element["val"], types), timeout, element["expires"])
