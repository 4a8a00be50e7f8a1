"""Find the slots behind the chains of a table, which are the places that a connection may be sent to. The rules tell
which slots there are, not the names of chains."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

from svcc.apply.nft.keys import FrontendMaps
from svcc.kernel.nft.expressions import Expression, Lookup, Named, Word
from svcc.kernel.nft.state import Table, differing_keys
from svcc.kernel.nft.statements import Dnat, Goto, Jump, Remember, Statement, VerdictMap

#: The endpoint's port; or pairs of a frontend's port and the endpoint's; None: the port stays the same.
Port: TypeAlias = int | tuple[tuple[str, str], ...] | None


@dataclass(frozen=True, slots=True)
class Slot:
    """A slot: one of the places that a frontend may send a connection to."""

    endpoints: str  # the map from frontends to the endpoint in this slot
    port: Port
    clients: str = ""  # the set that remembers the clients that were sent there; "": none does
    client: Expression | None = None  # the key by which it remembers one: an address or its network, and a frontend


class Slots:
    """The slots behind the chains of a table."""

    def __init__(self, table: Table) -> None:
        self.table = table
        self.frontend_maps = FrontendMaps.of(table)
        self._known: dict[str, tuple[Slot, ...]] = {}

    def of(self, verdict: str) -> tuple[Slot, ...]:
        """Return the slots behind a verdict of the map of services."""
        slots = self._known.get(verdict)
        if slots is None:
            verb, _, chain = verdict.partition(" ")
            slots = tuple(dict.fromkeys(self._walk(chain, None, ()))) if verb in ("goto", "jump") else ()
            self._known[verdict] = slots
        return slots

    def endpoint(self, slot: Slot, key: str) -> str:
        """Return the address of the endpoint that a slot has for a frontend's key; "" where it has none."""
        named = self.table.sets.get(slot.endpoints)
        return named.elements.get(key, ("", ""))[0] if named else ""

    def _walk(self, chain: str, remember: Remember | None, path: tuple[str, ...]) -> Iterator[Slot]:
        if chain not in self.table.chains or chain in path:
            return
        for rule in self.table.chains[chain].rules:
            for statement in rule:
                match statement:
                    case Remember():
                        remember = statement
                    case Dnat(Lookup(_, Named(name)), port):
                        known = (remember.set.name, remember.key) if remember else ()
                        yield Slot(name, self._port(port), *known)
                    case _:
                        for target in _targets(statement):
                            yield from self._walk(target, remember, (*path, chain))

    def _port(self, port: Expression | None) -> Port:
        match port:
            case Lookup(_, Named(name)):
                named = self.table.sets.get(name)
                return tuple(sorted((key, value) for key, (value, _) in named.elements.items())) if named else ()
            case Word(int(number)):
                return number
        return None


def _targets(statement: Statement) -> Iterator[str]:
    match statement:
        case Goto(target) | Jump(target):
            yield target
        case VerdictMap(_, tuple(members)):
            for _, verdict in members:
                yield from _targets(verdict)


def changed_keys(old: Slots, new: Slots) -> dict[str, set[str]]:
    """Return the keys of frontends whose verdict, endpoints or slots differ, by the name of their map of services."""
    found: dict[str, set[str]] = {}
    services = {**old.frontend_maps.services, **new.frontend_maps.services}
    for name, key in {**old.frontend_maps.keys, **new.frontend_maps.keys}.items():
        before = old.table.sets[name].elements if name in old.table.sets else {}
        after = new.table.sets[name].elements if name in new.table.sets else {}
        if before != after and key in services:
            found.setdefault(services[key], set()).update(differing_keys(before, after))
    for key, name in services.items():
        old_map, new_map = (slots.frontend_maps.services.get(key) for slots in (old, new))
        if old_map != new_map:  # the rules look up another map now, or none
            for slots, asked in ((old, old_map), (new, new_map)):
                if asked is not None and asked in slots.table.sets:
                    found.setdefault(name, set()).update(slots.table.sets[asked].elements)
        elif name in old.table.sets:
            elements = old.table.sets[name].elements
            fronts = {value for value, _ in elements.values()}
            if other := {front for front in fronts if old.of(front) != new.of(front)}:
                found.setdefault(name, set()).update(key for key, (value, _) in elements.items() if value in other)
    return found
