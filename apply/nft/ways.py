"""Where the chains of a table take a connection: read from the rules, whatever they are called."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from svcc.apply.nft.names import keyed, services_of
from svcc.kernel.nft.state import Table, differing_keys


@dataclass(frozen=True, slots=True)
class Way:
    """One of the slots that a frontend may lead to."""

    endpoints: str  # the map that has its endpoint
    port: int | tuple[tuple[str, str], ...] | None  # the endpoint's; each port with the endpoint's; None: the same
    clients: str = ""  # the set that remembers who was sent there


class Ways:
    """The ways of a table's chains."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._known: dict[str, tuple[Way, ...]] = {}

    def of(self, verdict: str) -> tuple[Way, ...]:
        """Those behind a verdict of the map of services."""
        ways = self._known.get(verdict)
        if ways is None:
            verb, _, chain = verdict.partition(" ")
            ways = tuple(dict.fromkeys(self._walk(chain, "", ()))) if verb in ("goto", "jump") else ()
            self._known[verdict] = ways
        return ways

    def _walk(self, chain: str, clients: str, path: tuple[str, ...]) -> Iterator[Way]:
        if chain not in self._table.chains or chain in path:
            return
        for rule in self._table.chains[chain].rules:
            for statement in json.loads(rule):
                match statement:
                    case {"set": {"set": str(name)}}:
                        clients = name.removeprefix("@")
                    case {"dnat": {"addr": {"map": {"data": str(name)}}, **more}}:
                        yield Way(name.removeprefix("@"), self._port(more.get("port")), clients)
                    case _:
                        for target in _targets(statement):
                            yield from self._walk(target, clients, (*path, chain))

    def _port(self, port: Any) -> int | tuple[tuple[str, str], ...] | None:
        match port:
            case {"map": {"data": str(name)}}:
                named = self._table.sets.get(name.removeprefix("@"))
                return tuple(sorted((key, value) for key, (value, _) in named.elements.items())) if named else ()
            case int():
                return port
        return None


def _targets(statement: Any) -> Iterator[str]:
    match statement:
        case {"goto": {"target": str(target)}} | {"jump": {"target": str(target)}}:
            yield target
        case {"vmap": {"data": {"set": list(members)}}}:
            for member in members:
                yield from _targets(member[1])


def changed_keys(old: Table, new: Table, ways: tuple[Ways, Ways]) -> dict[str, set[str]]:
    """The keys, by map of services, whose verdict, endpoints or ways differ."""
    found: dict[str, set[str]] = {}
    for name in old.sets.keys() | new.sets.keys():
        known = keyed(name)
        if known is None:
            continue
        here = old.sets[name].elements if name in old.sets else {}
        there = new.sets[name].elements if name in new.sets else {}
        if here != there:
            found.setdefault(services_of(known.prefix), set()).update(differing_keys(here, there))
    for name, named in old.sets.items():
        known = keyed(name)
        if known is not None and known.services:
            fronts = {value for value, _ in named.elements.values()}
            other = {front for front in fronts if ways[0].of(front) != ways[1].of(front)}
            if other:
                keys = {key for key, (value, _) in named.elements.items() if value in other}
                found.setdefault(name, set()).update(keys)
    return found
