"""What may become of a packet that walks through a table in the moment in which a transaction changes it.

Its walk is tried in all ways: which rules it sees, and for each look-up whether that comes before or after the change.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from svcc.apply.nft.keys import FrontendKey, FrontendMaps
from svcc.kernel.nft.expressions import DestinationType, Expression, Lookup, Meta, Named, Word
from svcc.kernel.nft.state import Element, NamedSet, Table
from svcc.kernel.nft.statements import Dnat, Drop, Goto, Jump, Match, Reject, Rule, Statement, VerdictMap
from svcc.kernel.steps import FrontendAddress

#: What becomes of a packet that no rule translates.
LOST = "lost"


@dataclass(frozen=True)
class Moment:
    """The moment in which a transaction makes a new table of an old one."""

    old: Table
    new: Table
    hides: bool = False  # whether the kernel finds no concatenated interval that is about to change

    def ends(self, packet: FrontendAddress) -> set[str]:
        """Return all that may become of a packet: endpoints, "dropped" and :data:`LOST`."""
        found: set[str] = set()
        for rules in (self.old, self.new):
            walk = _Walk(self, rules, FrontendMaps.of(rules).keys, packet)
            for name, chain in rules.chains.items():
                if chain.hook is not None and (chain.hook.type, chain.hook.hook) == ("nat", "prerouting"):
                    found.update(end or LOST for end, _ in walk.chain(name, rules is self.new))
        return found


@dataclass(frozen=True)
class _Walk:
    """The walk of one packet by the rules of one table. A state of the walk is what became of the packet, "" for
    nothing yet, and whether it has seen the new elements."""

    moment: Moment
    rules: Table
    keys: Mapping[str, FrontendKey]
    packet: FrontendAddress

    def chain(self, name: str, late: bool) -> set[tuple[str, bool]]:
        states = {("", late)}
        rules = self.rules.chains[name].rules if name in self.rules.chains else ()
        for rule in rules:
            going = {seen for end, seen in states if not end}
            states = {state for state in states if state[0]}
            states.update(state for seen in going for state in self._rule(rule, seen))
        return states

    def _rule(self, rule: Rule, late: bool) -> Iterator[tuple[str, bool]]:
        """Yield the states after a rule; that of a packet which a match keeps from its end, too."""
        for statement in rule:
            if isinstance(statement, Match):
                holds = self._holds(statement)
                if holds is not True:
                    yield "", late
                if holds is False:
                    return
            elif (ends := self._ends(statement, late)) is not None:
                yield from ends
                return
        yield "", late

    def _ends(self, statement: Statement, late: bool) -> set[tuple[str, bool]] | None:
        """Return the states after a statement that ends its rule; None for another one."""
        match statement:
            case Goto(target):
                return {(end or LOST, seen) for end, seen in self.chain(target, late)}
            case Jump(target):
                return self.chain(target, late)
            case Drop() | Reject():
                return {("dropped", late)}
            case Dnat(Lookup(_, Named(name)), port):
                found = self._found(name, late)
                return {state for address, seen in found for state in self._landed(address, port, seen)}
            case VerdictMap(_, Named(name)):
                return {state for verdict, seen in self._found(name, late) for state in self._verdict(verdict, seen)}
            case VerdictMap(_, tuple(members)):
                return {state for _, verdict in members for state in self._rule((verdict,), late)}
        return None

    def _verdict(self, verdict: str, late: bool) -> set[tuple[str, bool]]:
        """Return the states after a verdict of a map; "" is that of a packet that found none."""
        verb, _, chain = verdict.partition(" ")
        statement = Drop() if verb == "drop" else Goto(chain)
        return (self._ends(statement, late) if verdict else None) or {("", late)}

    def _landed(self, address: str, port: Expression | None, late: bool) -> Iterator[tuple[str, bool]]:
        """Yield the states after a translation; an address of "" is that of a packet that found none."""
        match port:
            case _ if not address:
                yield "", late
            case Lookup(_, Named(name)):
                for found, seen in self._elements(name, late):
                    number, _ = found.elements.get(str(self.packet.port), ("", ""))
                    yield (f"{address} {number}" if number else LOST), seen
            case Word(number):
                yield f"{address} {number}", late
            case _:
                yield f"{address} {self.packet.port}", late

    def _holds(self, match: Match) -> bool | None:
        """Whether a match holds for the packet; None: for some packets like it."""
        if isinstance(match.left, DestinationType) or match.right == Named("nodeport-addresses"):
            return self.packet.address is None
        if match.left == Meta("l4proto") and isinstance(match.right, Word) and match.op == "==":
            return match.right.value == self.packet.protocol
        return None

    def _found(self, name: str, late: bool) -> set[tuple[str, bool]]:
        """Return the values that the packet may find in a map; "": it finds none."""
        key = self.keys[name]
        return {(_value(named, key, self.packet), seen) for named, seen in self._elements(name, late)}

    def _elements(self, name: str, late: bool) -> Iterator[tuple[NamedSet, bool]]:
        """Yield what a set may look like, and whether the packet has seen new elements then."""
        old, new = (table.sets.get(name) for table in (self.moment.old, self.moment.new))
        declared = (new or old or self.rules.sets[name]).declaration
        before, after = old or NamedSet(declared), new or NamedSet(declared)
        yield after, True
        if not late or declared.interval:  # new intervals are found later than all else
            yield before, late
        if self.moment.hides and declared.interval and len(declared.types) > 1:
            same: dict[str, Element] = dict(before.elements.items() & after.elements.items())
            yield NamedSet(declared, same), late


def _value(named: NamedSet, key: FrontendKey, packet: FrontendAddress) -> str:
    if (packet.address is None) != key.nodeport or key.protocol not in (None, packet.protocol):
        return ""
    parts = [part for part in (packet.address, None if key.protocol else packet.protocol) if part]
    if not named.declaration.interval:
        return named.elements.get(" . ".join([*parts, str(packet.port)]), ("", ""))[0]
    for text, (value, _) in named.elements.items():
        if text.split(" . ")[:-1] == parts and packet.port in key.ports(text):
            return value
    return ""


def packets(*tables: Table) -> set[FrontendAddress]:
    """Return packets to all frontends of some tables; of those that are ranges, to their first and last ports."""
    found = set[FrontendAddress]()
    for table in tables:
        maps = FrontendMaps.of(table)
        for key, name in maps.services.items():
            for text in table.sets[name].elements if name in table.sets else ():
                found.update(key.at(text, port) for ports in [key.ports(text)] for port in (*ports[:1], *ports[-1:]))
    return found
