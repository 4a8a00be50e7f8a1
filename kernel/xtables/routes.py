"""Find the frontends that our chains serve, and the endpoints to which they send packets.

A packet walks through chains that branch by address and by port. The rule at the end of that walk names the frontend,
by itself (``-d ADDRESS/32 -p tcp -m tcp --dport 80 -g CHAIN``) or together with the rules before.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

from svcc.kernel.routes import Destination, Frontends, Route, Routes, routes_to
from svcc.kernel.steps import FrontendAddress
from svcc.kernel.xtables.meaning import Meaning
from svcc.kernel.xtables.state import Rules, Table, leads_to

_HEAD = re.compile(
    r"(?P<not>! )?(?:-d (?P<address>[^ /]+)/(?P<length>\d+) )?"
    r"(?:-p (?P<protocol>tcp|udp|sctp) -m (?P=protocol) --dport (?P<first>\d+)(?::(?P<last>\d+))? )?"
)
_LOCAL = "-m addrtype --dst-type LOCAL "
_TO = " --to-destination "
_WHOLE = {"32", "128"}  # the lengths of a single address


class _Where(NamedTuple):
    """What the rules on the way tell of a packet's destination."""

    address: str | None = None
    local: bool = False  # it is an address of the node, as for node ports
    protocol: str = ""
    first: int = 0
    last: int = 0


_NOWHERE = _Where()


@dataclass(frozen=True, slots=True)
class FrontendRule:
    """A rule that takes the packets of a frontend, or of some of its ports, to the service's chains."""

    chain: str  # the chain that has the rule
    rule: str
    frontend: FrontendAddress  # with the first port
    last: int  # the last port
    through: tuple[str, ...]  # the service's chains that the packets walk through from there


FrontendRules: TypeAlias = tuple[FrontendRule, ...]


def fronts(table: Table, meaning: Meaning) -> FrontendRules:
    """Return the rules that take packets to frontends: for the chains to which no other branch leads, in the order of
    these chains and of their rules."""
    branching = [chain for chain in table.chains if not meaning.label(chain)]  # services' chains end in endpoints
    led = {leads_to(rule) for chain in branching for rule in table.chains[chain]}
    walk = _Walk(table.chains, meaning)
    return tuple(front for chain in branching if chain not in led for front in walk.of(chain, _NOWHERE, ()))


class _Walk:
    """Finds the rules that take packets to frontends, from a chain through all that it leads to."""

    def __init__(self, chains: Mapping[str, Rules], meaning: Meaning) -> None:
        self._chains = chains
        self._meaning = meaning

    def of(self, chain: str, where: _Where, seen: tuple[str, ...]) -> Iterator[FrontendRule]:
        for rule in self._chains.get(chain, ()):
            target = leads_to(rule)
            if target is None or target in seen:
                continue
            narrowed = _narrowed(where, rule)
            if self._meaning.branches(target):
                yield from self.of(target, narrowed, (*seen, chain))
            elif narrowed.protocol and (narrowed.local or narrowed.address is not None):
                address = None if narrowed.local else narrowed.address
                frontend = FrontendAddress(address, narrowed.protocol, narrowed.first)
                yield FrontendRule(chain, rule, frontend, narrowed.last, tuple(self._through(target)))

    def _through(self, chain: str) -> Iterator[str]:
        if self._meaning.label(chain):
            yield chain
            onwards = (leads_to(rule) for rule in self._chains.get(chain, ()) if rule.startswith("-g "))
            yield from (target for target in onwards if target and self._meaning.label(target))


def _narrowed(where: _Where, rule: str) -> _Where:
    """Return what is known of the destination of packets that also match a rule."""
    found = _HEAD.match(rule)
    assert found is not None, "it matches the empty string"
    address, protocol = found["address"], found["protocol"]
    if address is not None and not found["not"] and found["length"] in _WHOLE:
        where = where._replace(address=address)
    if protocol is not None:
        first = int(found["first"])
        where = where._replace(protocol=protocol, first=first, last=int(found["last"] or first))
    return where._replace(local=True) if _LOCAL in rule else where


# -- routes -----------------------------------------------------------------------------------------------------------

#: An endpoint's address, and its port; None: the port that the client asked for.
Endpoint: TypeAlias = tuple[str, int | None]


def routes(table: Table, meaning: Meaning) -> Iterator[Route]:
    """Yield the routes by which the nat table sends packets."""
    return _routes(table, fronts(table, meaning))


def served(table: Table, meaning: Meaning, frontends: Frontends) -> Frontends:
    """Return those of the given frontends that the nat table serves. Only their routes are made."""
    known = [front for front in fronts(table, meaning) if _ports_of(front) & frontends]
    return Routes.of(_routes(table, known)).frontends & frontends


def _ports_of(front: FrontendRule) -> Frontends:
    own = front.frontend
    return Frontends([(Destination(own.address, own.protocol), own.port, front.last)])


def routes_gone(before: Table, after: Table, meaning: Meaning) -> Routes:
    """Return the routes of the nat table ``before`` that ``after`` lacks. Only routes of frontends that differ are
    made."""
    old, new = fronts(before, meaning), fronts(after, meaning)
    same = {_reach(front, before) for front in old} & {_reach(front, after) for front in new}
    gone = (front for front in old if _reach(front, before) not in same)
    come = (front for front in new if _reach(front, after) not in same)
    return Routes.of(_routes(before, gone)) - Routes.of(_routes(after, come))


def _reach(front: FrontendRule, table: Table) -> tuple[FrontendAddress, int, tuple[Rules, ...]]:
    return front.frontend, front.last, tuple(table.chains.get(chain, ()) for chain in front.through)


def _routes(table: Table, some: Iterable[FrontendRule]) -> Iterator[Route]:
    known: dict[str, tuple[Endpoint, ...]] = {}
    for front in some:
        for chain in front.through:
            if chain not in known:
                known[chain] = tuple(dict.fromkeys(_endpoints(table.chains.get(chain, ()))))
            for address, own in known[chain]:
                yield from routes_to(front.frontend, front.last - front.frontend.port + 1, address, own)


def _endpoints(rules: Rules) -> Iterator[Endpoint]:
    for rule in rules:
        _, dnat, destination = rule.partition(_TO)
        if not dnat or "-" in destination:  # a range, or options: not svcc's
            continue
        if destination.startswith("["):
            host, _, port = destination[1:].partition("]:")
        elif destination.count(":") == 1:
            host, _, port = destination.partition(":")
        else:
            host, port = destination, ""
        yield host, int(port) if port else None
