"""Reads a document from its text into the tables that it makes, and checks that it is what this target prints.

Names of objects are checked here, their order and rules in :mod:`svcc.targets.nft.read_checks`, elements in
:mod:`svcc.targets.nft.read_elements`.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from svcc.compiler.codes import Code
from svcc.compiler.prefix import fault
from svcc.kernel.json_values import Json, string
from svcc.kernel.nft.document import document
from svcc.kernel.nft.elements import read_elements
from svcc.kernel.nft.parsing import NotRead, same, statement
from svcc.kernel.nft.state import Chain, Element, NamedSet, NftState, Table
from svcc.kernel.nft.statements import Rule
from svcc.targets.nft.keys import FAMILIES, Family
from svcc.targets.nft.limits import KEYWORDS, NAME_MAX
from svcc.targets.nft.objects import Set
from svcc.targets.nft.read_json import commands
from svcc.targets.nft.read_language import commands_in_language, is_language
from svcc.targets.nft.shapes import HOOKS, kind_of_chain, rank_of_set, set_of
from svcc.targets.reading import RefusedText, Text, quoted

#: The fields that say which object a command is about.
_NAMES = ("family", "table", "chain", "name")


@dataclass(frozen=True, slots=True)
class Command:
    """A command, and its place in the part."""

    text: Text
    start: int
    end: int
    value: Json

    def refused(self, why: str, word: str = "", code: Code = Code.BUNDLE_LINE) -> RefusedText:
        """Return the error about the command, or about a ``word`` of it."""
        for form in (word, word.strip('"')) if word else ():  # names are in quotes in JSON
            at = self.text.source.text.find(form, self.text.start + self.start, self.text.start + self.end)
            if at >= 0:
                return self.text.refused(why, at - self.text.start, at - self.text.start + len(form), code)
        return self.text.refused(why, self.start, self.end, code)

    def fields(self) -> tuple[str, str, dict[str, Json]]:
        """Return verb, kind and fields. Errors: RefusedText."""
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
    """A table that is being read."""

    family: Family
    sets: dict[str, tuple[str, Set, Command]] = field(default_factory=dict)  # kind, declaration, command
    chains: dict[str, tuple[Command, dict[str, Json]]] = field(default_factory=dict)
    rules: dict[str, list[tuple[Command, Rule]]] = field(default_factory=dict)
    elements: dict[str, tuple[Command, list[Json]]] = field(default_factory=dict)
    objects: list[tuple[str, str]] = field(default_factory=list)  # kinds and names, in the order of the commands

    def table(self, name: str) -> Table | None:
        """Return the table as an object. Return None where it is empty."""
        ordered = sorted(self.sets, key=lambda one: rank_of_set(one, self.sets[one][0], self.family))
        sets = {one: NamedSet(self.sets[one][1].declaration, self._elements(one)) for one in ordered}
        chains = {one: Chain(tuple(rule for _, rule in self.rules[one]), HOOKS.get(one)) for one in self.chains}
        return Table(name, sets=sets, chains=chains) if self.objects else None

    def _elements(self, name: str) -> dict[str, Element]:
        if name not in self.elements:
            return {}
        declared = self.sets[name][1].declaration
        return read_elements(self.elements[name][1], declared.types, is_map=declared.data is not None)


def read(text: Text) -> tuple[str, list[ReadTable], list[Command]]:
    """Return the name of the tables, what is in them, and all commands. Errors: RefusedText."""
    given = commands_in_language(text) if is_language(text) else commands(text)
    found: list[Command] = []
    for one in given:
        found.append(Command(text, *one))
        found[-1].fields()  # the first text that is no command ends the reading, before much more is read
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
    """Return what was read as the target prints it, and the objects.

    Errors: RefusedText, where that differs from what was given.
    """
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
    """Check the commands at the beginning, which make both tables anew.

    Return the tables' name, the empty tables, and the commands that follow.
    """
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
                raise here.refused(f"expected that table {family.table} {name} is first added, deleted and added")
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
