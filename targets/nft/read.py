"""A document as text, read into the tables that it makes, and held against what this target prints.

Order and names of objects are looked at here, elements in :mod:`svcc.targets.nft.read_elements`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from svcc.compiler.codes import Code
from svcc.compiler.prefix import fault
from svcc.kernel.json_values import Json, string
from svcc.kernel.nft.document import document
from svcc.kernel.nft.elements import read_elements
from svcc.kernel.nft.expressions import Expression, Lookup, Named
from svcc.kernel.nft.parsing import NotRead, same, statement
from svcc.kernel.nft.state import VERDICT, Chain, Declaration, Element, NamedSet, NftState, Table
from svcc.kernel.nft.statements import Dnat, Goto, Jump, Match, Remember, Rule, Statement
from svcc.targets.nft.keys import FAMILIES, Family, Key, without_mask
from svcc.targets.nft.limits import KEYWORDS, NAME_MAX
from svcc.targets.nft.objects import Set
from svcc.targets.nft.read_cascade import are_turns, turn_of
from svcc.targets.nft.read_json import commands
from svcc.targets.nft.read_language import commands_in_language, is_language
from svcc.targets.nft.shapes import HOOKS, PATTERNS, keys, kind_of_chain, rank_of_set, set_of
from svcc.targets.nft.table import natural
from svcc.targets.nft.words import words
from svcc.targets.reading import Refused, Text, quoted

#: The chains that every table with something in it has.
_ALWAYS = ("dispatch", "nat-prerouting", "nat-output", "nat-postrouting", "nat-input")

#: What says which object a command is about.
_NAMES = ("family", "table", "chain", "name")

_SLOT_OF_CHAIN = re.compile(r"(?:^|-)to-([0-9]{1,6})-")
_SLOT_OF_SET = re.compile(r"(?:^|-)(?:endpoint|affinity)-([0-9]{1,6})(?:-|$)")


@dataclass(frozen=True, slots=True)
class Command:
    """A command, and where it stands in the part."""

    text: Text
    start: int
    end: int
    value: Json

    def refused(self, why: str, word: str = "", code: Code = Code.BUNDLE_LINE) -> Refused:
        """The error about the command, or about a ``word`` of it."""
        for form in (word, word.strip('"')) if word else ():  # JSON has names in quotes
            at = self.text.source.text.find(form, self.text.start + self.start, self.text.start + self.end)
            if at >= 0:
                return self.text.refused(why, at - self.text.start, at - self.text.start + len(form), code)
        return self.text.refused(why, self.start, self.end, code)

    def fields(self) -> tuple[str, str, dict[str, Json]]:
        """Verb, kind and fields. Errors: Refused."""
        match self.value:
            case dict() if len(self.value) == 1:
                verb, body = next(iter(self.value.items()))
                if isinstance(body, dict) and len(body) == 1:
                    kind, fields = next(iter(body.items()))
                    if isinstance(fields, dict) and all(isinstance(fields.get(k, ""), str) for k in _NAMES):
                        return verb, kind, fields
        raise self.refused("not a command as the target writes one")


@dataclass(slots=True)
class ReadTable:
    """A table while it is read."""

    family: Family
    sets: dict[str, tuple[str, Set, Command]] = field(default_factory=dict)  # kind, declaration, command
    chains: dict[str, tuple[Command, dict[str, Json]]] = field(default_factory=dict)
    rules: dict[str, list[tuple[Command, Rule]]] = field(default_factory=dict)
    elements: dict[str, tuple[Command, list[Json]]] = field(default_factory=dict)
    objects: list[tuple[str, str]] = field(default_factory=list)  # kinds and names, in the order of the commands

    def table(self, name: str) -> Table | None:
        """As an object; None: there is nothing in it."""
        ordered = sorted(self.sets, key=lambda one: rank_of_set(one, self.sets[one][0], self.family))
        sets = {one: NamedSet(self.sets[one][1].declaration, self._elements(one)) for one in ordered}
        chains = {one: Chain(tuple(rule for _, rule in self.rules[one]), HOOKS.get(one)) for one in self.chains}
        return Table(name, sets=sets, chains=chains) if self.objects else None

    def _elements(self, name: str) -> dict[str, Element]:
        if name not in self.elements:
            return {}
        declared = self.sets[name][1].declaration
        return read_elements(self.elements[name][1], declared.types, is_map=declared.data is not None)


def _slot(name: str) -> int | None:
    """The number of a slot in the name of a chain that leads to its endpoint."""
    found = _SLOT_OF_CHAIN.search(name)
    return int(found[1]) if found else None


def _slots(made: Statement) -> Iterator[int | None]:
    """The slots of the sets that a statement asks or fills."""
    match made:
        case Match(_, Named(name), _) | Remember(_, Named(name), _) | Dnat(Lookup(_, Named(name)), _):
            if found := _SLOT_OF_SET.search(name):
                yield int(found[1])


def read(text: Text) -> tuple[str, list[ReadTable], list[Command]]:
    """The name of the tables, what is in them, and all commands. Errors: Refused."""
    given = commands_in_language(text) if is_language(text) else commands(text)
    found: list[Command] = []
    for one in given:
        found.append(Command(text, *one))
        found[-1].fields()  # what is no command ends it, before much else is read
    name, tables, rest = _replaced(text, found)
    current = 0
    for command in rest:
        verb, kind, fields = command.fields()
        places = [n for n, t in enumerate(tables) if t.family.table == fields.get("family")]
        if verb != "add" or fields.get("table") != name or not places or places[0] < current:
            why = f"only what is in table {name} is added here, the IPv4 table's first"
            raise command.refused(why, code=Code.BUNDLE_NAME)
        current = places[0]
        _add(tables[current], command, kind, fields)
    return name, tables, found


def printed(text: Text, name: str, tables: list[ReadTable], found: list[Command]) -> tuple[str, NftState]:
    """What was read as the target prints it, and the objects. Errors: Refused, where that is not what was given."""
    made = ((read.family.table, read.table(name)) for read in tables)
    state = NftState({family: table for family, table in made if table is not None})
    printed = document(state, name)
    wanted = list(commands(Text(type(text.source)("", printed), 0, len(printed))))
    for command, (_, _, value) in zip(found, wanted, strict=False):
        if not same(command.value, value):
            raise command.refused("the target writes this command in another way, or another one here")
    if len(wanted) != len(found):
        raise text.refused("the target writes other commands", 0, 1)
    return printed, state


def _replaced(text: Text, found: list[Command]) -> tuple[str, list[ReadTable], list[Command]]:
    """The commands at the head, which make both tables anew, and those that follow."""
    if not found:
        raise text.refused("a document of the target begins with its tables, and this one is empty", 0, 1, Code.BUNDLE)
    name = string(found[0].fields()[2].get("name", ""))
    if fault(name) or name != name.lower() or name in KEYWORDS or len(name) > NAME_MAX:
        raise found[0].refused(f"{quoted(name)} cannot be a table of the target", f'"{name}"', Code.BUNDLE_NAME)
    at, tables = 0, []
    for family in FAMILIES:
        table = {"table": {"family": family.table, "name": name}}
        wanted = [{"add": table}, {"delete": table}, {"add": table}]
        for number, value in enumerate(wanted):
            if at < len(found) and same(found[at].value, value):
                at += 1
            elif number < 2:
                here = found[min(at, len(found) - 1)]
                raise here.refused(f"the tables are added, deleted and added first: {family.table} {name} comes here")
        tables.append(ReadTable(family))
    return name, tables, found[at:]


# -- objects ----------------------------------------------------------------------------------------------------------


def _add(table: ReadTable, command: Command, kind: str, fields: dict[str, Json]) -> None:
    name = string(fields.get("chain" if kind == "rule" else "name", ""))
    match kind:
        case "set" | "map":
            known = set_of(name, table.family)
            if known is None or name in table.sets:
                raise command.refused(f"{quoted(name)} is no set of the target's", f'"{name}"', Code.BUNDLE_NAME)
            table.sets[name] = *known, command
            table.objects.append(("set", name))
        case "chain":
            if kind_of_chain(name) is None or name in table.chains:
                raise command.refused(f"{quoted(name)} is no chain of the target's", f'"{name}"', Code.BUNDLE_NAME)
            table.chains[name] = command, fields
            table.rules[name] = []
            table.objects.append(("chain", name))
        case "rule":
            if table.objects[-1:] != [("chain", name)]:
                raise command.refused("the rules of a chain stand behind it", f'"{name}"')
            table.rules[name].append((command, _rule(command, fields)))
        case "element":
            listed = fields.get("elem")
            if name not in table.sets or name in table.elements or not isinstance(listed, list):
                raise command.refused(f"no set {quoted(name)} is there to be filled", f'"{name}"')
            table.elements[name] = command, listed
            table.objects.append(("element", name))
        case _:
            raise command.refused(f"the target adds no {quoted(kind)}", f'"{kind}"', Code.BUNDLE_NAME)


def _rule(command: Command, fields: dict[str, Json]) -> Rule:
    expressions = fields.get("expr")
    if not isinstance(expressions, list):
        raise command.refused("not a rule as the target writes one")
    try:
        return tuple(map(statement, expressions))
    except NotRead as error:
        raise command.refused(str(error)) from None


# -- what is in a table -----------------------------------------------------------------------------------------------


class TableCheck:
    """Holds a table's sets, chains and rules against the shapes of this target."""

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
        """Errors: Refused."""
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
        """Errors: Refused, where nothing leads to a chain; ``fronts``: those that elements lead to."""
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
        """The maps of endpoints that a front leads to, by slot."""
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
                raise self._command(kind, name).refused(f"{name} stands behind what it comes before", f'"{name}"')
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
            return 2, [(0, ""), *natural(name)]  # behind the fronts
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
            raise self._read.chains[name][0].refused("these are the turns of no weights that endpoints could have")

    def _check_slots(self, kind: str, name: str) -> None:
        """A client that is remembered in a slot goes to the endpoint there; the slots come in order."""
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
        """The first rule behind those that a chain could have as its own."""
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
        return self._read.family

    def kind_of_set(self, named: Named) -> str:
        """Errors: NotRead."""
        if named.name not in self._read.sets:
            raise NotRead(f"no set {quoted(named.name)} is declared")
        self._used.add(named.name)
        return self._read.sets[named.name][0]

    def declaration(self, named: Named) -> Declaration:
        self.kind_of_set(named)
        return self._read.sets[named.name][1].declaration

    def lead(self, chain: str, verdict: Goto | Jump) -> str:
        """The kind of the chain that one leads to. Errors: NotRead."""
        to = verdict.chain
        kind = kind_of_chain(to) if isinstance(to, str) and to in self._read.chains else None
        if kind is None or to == chain:
            raise NotRead(f"this leads to {quoted(str(to))}, which is no chain of this table's")
        self._led.setdefault(chain, set()).add(to)
        return kind

    def key(self, expression: Expression) -> Key | None:
        return self._keys.get(expression)

    def originals(self, expression: Expression) -> list[Key]:
        """The keys for which an expression is what a connection was opened to: those of ranges have the same."""
        return self._originals.get(expression, [])

    def clients(self, expression: Expression) -> list[Key]:
        """The keys for which an expression is a client, or its network, with its frontend: those of ranges have the
        same."""
        whole = without_mask(expression, self.family.version)
        return [key for key in self._keys.values() if key.client == whole]

    def is_client(self, expression: Expression) -> bool:
        """Whether an expression is a client, or its network, without any frontend."""
        return without_mask(expression, self.family.version) == self.family.source

    def mark(self, bit: int) -> None:
        """Errors: NotRead."""
        self.marks.add(bit)
        if not bit or bit & (bit - 1) or bit >> 32 or len(self.marks) > 1:
            raise NotRead("the mark is one bit, and the same everywhere")
