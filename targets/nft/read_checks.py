"""Checks the sets, chains and rules of a table that was read against the shapes of this target."""

from __future__ import annotations

import re
from collections.abc import Iterator

from svcc.kernel.nft.expressions import Expression, Lookup, Named
from svcc.kernel.nft.parsing import NotRead
from svcc.kernel.nft.state import VERDICT, Declaration
from svcc.kernel.nft.statements import Dnat, Goto, Jump, Match, Remember, Rule, Statement
from svcc.targets.nft.keys import Family, Key, without_mask
from svcc.targets.nft.read import Command, ReadTable
from svcc.targets.nft.read_cascade import are_turns, turn_of
from svcc.targets.nft.shapes import HOOKS, PATTERNS, keys, kind_of_chain, rank_of_set
from svcc.targets.nft.table import natural
from svcc.targets.nft.words import words
from svcc.targets.reading import quoted

#: The chains of every table that is not empty.
_ALWAYS = ("dispatch", "nat-prerouting", "nat-output", "nat-postrouting", "nat-input")

_SLOT_OF_CHAIN = re.compile(r"(?:^|-)to-([0-9]{1,6})-")
_SLOT_OF_SET = re.compile(r"(?:^|-)(?:endpoint|affinity)-([0-9]{1,6})(?:-|$)")


def _slot(name: str) -> int | None:
    """Return the number of the slot in the name of a chain that leads to its endpoint.

    Return None where the name has none.
    """
    found = _SLOT_OF_CHAIN.search(name)
    return int(found[1]) if found else None


def _slots(made: Statement) -> Iterator[int | None]:
    """Yield the slots of the sets that a statement looks into or adds to."""
    match made:
        case Match(_, Named(name), _) | Remember(_, Named(name), _) | Dnat(Lookup(_, Named(name)), _):
            if found := _SLOT_OF_SET.search(name):
                yield int(found[1])


class TableCheck:
    """Checks a table's sets, chains and rules against the shapes of this target."""

    def __init__(self, read: ReadTable) -> None:
        self._read = read
        self._keys = {key.expression: key for key in keys(read.family)}
        self._originals: dict[Expression, list[Key]] = {}
        for key in keys(read.family):
            self._originals.setdefault(key.original, []).append(key)
        self._used: set[str] = set()
        self._led: dict[str, set[str]] = {}
        self.marks: set[int] = set()

    def run(self) -> None:
        """Check the table. Errors: RefusedText."""
        self._check_order()
        for name in self._read.rules:
            self._check_chain(name)
        for name in _ALWAYS if self._read.objects else ():
            if name not in self._read.chains:
                first = self._command(*self._read.objects[0])
                raise first.refused(f"a table of the target has a chain {name}, and this one none")
        for name, (_, _, command) in self._read.sets.items():
            if name not in self._used:
                raise command.refused(f"no rule asks for set {name}", f'"{name}"')

    def unreached(self, fronts: set[str]) -> None:
        """Check that something leads to every chain; ``fronts``: the chains that elements lead to.

        Errors: RefusedText.
        """
        reached = {name for name, hook in HOOKS.items() if hook} | fronts
        todo = [*reached]
        while todo:
            more = self._led.get(todo.pop(), set()) - reached
            reached |= more
            todo += more
        for name, (command, _) in self._read.chains.items():
            if name not in reached:
                raise command.refused(f"nothing leads to chain {name}", f'"{name}"')

    def maps_of(self, front: str) -> list[str]:
        """Return the names of the maps of endpoints that a front leads to, by slot."""
        return sorted({m for landing in self._led.get(front, ()) for m in self._maps(landing)}, key=natural)

    def _maps(self, landing: str) -> Iterator[str]:
        for _, rule in self._read.rules[landing]:
            for made in rule:
                if isinstance(made, Dnat) and isinstance(made.address, Lookup):
                    yield made.address.map.name
                elif isinstance(made, Goto):
                    yield from self._maps(made.chain)

    def _check_order(self) -> None:
        before: tuple[object, ...] = ()
        for kind, name in self._read.objects:
            rank = self._rank(kind, name)
            if rank < before:
                raise self._command(kind, name).refused(
                    f"{name} stands behind something that has to follow it", f'"{name}"'
                )
            before = rank

    def _command(self, kind: str, name: str) -> Command:
        if kind == "set":
            return self._read.sets[name][2]
        return self._read.chains[name][0] if kind == "chain" else self._read.elements[name][0]

    def _rank(self, kind: str, name: str) -> tuple[object, ...]:
        if kind in ("set", "element"):
            own, found, _ = self._read.sets[name]
            declared = found.declaration
            place = 5 if kind == "element" else 3 if declared.data == VERDICT else 0
            return place, *rank_of_set(name, own, self.family)
        known = kind_of_chain(name)
        if known == "landing":
            return 1, "affinity-" in name, natural(name)
        if known == "snat":
            return 2, [(0, ""), *natural(name)]  # after the fronts
        return (2, natural(name)) if known == "front" else (4, [*HOOKS].index(name))

    def _check_chain(self, name: str) -> None:
        kind = kind_of_chain(name)
        assert kind is not None
        known: set[Rule] = set()
        for command, rule in self._read.rules[name]:
            if rule in known and turn_of(rule) is None:
                raise command.refused(f"this rule stands twice in chain {name}")
            known.add(rule)
        said = [self._words(name, command, rule) for command, rule in self._read.rules[name]]
        if not PATTERNS[kind].fullmatch("".join(said)):
            command = next((c for c, _ in self._wrong(kind, name, said)), self._read.chains[name][0])
            raise command.refused(f"a chain {name} of the target's has other rules")

        self._check_slots(kind, name)
        self._check_turns(name)

    def _check_turns(self, name: str) -> None:
        rules = [rule for _, rule in self._read.rules[name]]
        turns = [turn for rule in rules if (turn := turn_of(rule)) is not None]
        last = [made.chain for made in rules[-1] if isinstance(made, Goto)] if turns else []
        if turns and not (last and are_turns(turns, last[0])):
            raise self._read.chains[name][0].refused("no weights of endpoints give these turns")

    def _check_slots(self, kind: str, name: str) -> None:
        """Check that a client who is remembered for a slot goes to its endpoint, and that slots come in order."""
        before = -1
        for command, rule in self._read.rules[name]:
            asked = [slot for made in rule for slot in _slots(made)]
            leads = [_slot(made.chain) for made in rule if isinstance(made, Goto)] if asked else []
            own = [_slot(name)] if kind == "landing" else []
            slots = {slot for slot in (*asked, *leads, *(own if asked else ())) if slot is not None}
            if len(slots) > 1 or (slots and min(slots, default=0) <= before):
                raise command.refused("the slots of a rule differ, or come in another order")
            before = max(slots, default=before)

    def _wrong(self, kind: str, name: str, said: list[str]) -> Iterator[tuple[Command, Rule]]:
        """Yield the first rule that cannot come after the rules before it, in any chain of its kind."""
        rules = self._read.rules[name]
        good = max((n for n in range(min(len(rules), 500)) if PATTERNS[kind].fullmatch("".join(said[:n]))), default=0)
        yield from rules[good : good + 1]

    def _words(self, chain: str, command: Command, rule: Rule) -> str:
        try:
            return " ".join(words(made, self, chain) for made in rule) + ";"
        except NotRead as error:
            raise command.refused(str(error)) from None

    # -- what words ask for -------------------------------------------------------------------------------------------

    @property
    def family(self) -> Family:
        """The family of the table."""
        return self._read.family

    def kind_of_set(self, named: Named) -> str:
        """Return the kind of a set. Errors: NotRead."""
        if named.name not in self._read.sets:
            raise NotRead(f"no set {quoted(named.name)} is declared")
        self._used.add(named.name)
        return self._read.sets[named.name][0]

    def declaration(self, named: Named) -> Declaration:
        """Return the declaration of a set or map of the table. Errors: NotRead, where it is not declared."""
        self.kind_of_set(named)
        return self._read.sets[named.name][1].declaration

    def lead(self, chain: str, verdict: Goto | Jump) -> str:
        """Return the kind of the chain that a verdict leads to. Errors: NotRead."""
        to = verdict.chain
        kind = kind_of_chain(to) if isinstance(to, str) and to in self._read.chains else None
        if kind is None or to == chain:
            raise NotRead(f"this leads to {quoted(str(to))}, which is no chain of this table's")
        self._led.setdefault(chain, set()).add(to)
        return kind

    def key(self, expression: Expression) -> Key | None:
        """Return the key whose maps are looked up by an expression. Return None where it is none."""
        return self._keys.get(expression)

    def originals(self, expression: Expression) -> list[Key]:
        """Return the keys whose ``original`` is the expression: several, because keys with ranges share it."""
        return self._originals.get(expression, [])

    def clients(self, expression: Expression) -> list[Key]:
        """Return the keys whose ``client``, or its network, is the expression: keys with ranges share one."""
        whole = without_mask(expression, self.family.version)
        return [key for key in self._keys.values() if key.client == whole]

    def is_client(self, expression: Expression) -> bool:
        """Whether an expression is a client (or its network) without a frontend."""
        return without_mask(expression, self.family.version) == self.family.source

    def mark(self, bit: int) -> None:
        """Check the bit of a mark. Errors: NotRead."""
        self.marks.add(bit)
        if not bit or bit & (bit - 1) or bit >> 32 or len(self.marks) > 1:
            raise NotRead("the mark is one bit, and the same everywhere")
