"""Reads a libnftables document into tables, with their base chains as the kernel calls them.

It assumes that the ruleset was empty before, as on a node where only these artifacts are loaded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from svcc.verify.trace.chains import Chain, Final, Rule, check_calls
from svcc.verify.trace.faults import ArtifactLine, LoadError, UnknownRule
from svcc.verify.trace.flow import Hook
from svcc.verify.trace.host import Host
from svcc.verify.trace.kernel import Base, ChainType
from svcc.verify.trace.nft_json import Command, Fields, commands
from svcc.verify.trace.nft_rules import AnySet, RuleReader, TableNames, judgement
from svcc.verify.trace.nft_sets import Elements, KeySet, ValueMap, add_all, range_of
from svcc.verify.trace.nft_statements import JudgementMap, NftRule
from svcc.verify.trace.nft_types import TYPES, Type

NAME = 255  # characters
_VERSIONS = {"ip": frozenset({4}), "ip6": frozenset({6}), "inet": frozenset({4, 6})}
_POLICIES = {"accept": Final.ACCEPT, "drop": Final.DROP}
#: The hooks that each type of base chain may have.
_HOOKS = {
    "filter": ("prerouting", "input", "forward", "output", "postrouting"),
    "nat": ("prerouting", "input", "output", "postrouting"),
}
#: The kernel refuses address translation at priorities that come before connection tracking.
_NAT_FIRST = -200


@dataclass(frozen=True, slots=True)
class Hooked:
    """What makes a chain a base chain."""

    type: str
    hook: str
    priority: int
    policy: Final


@dataclass(slots=True)
class Table:
    """A table with what is declared in it."""

    family: str
    name: str
    names: TableNames
    chains: dict[str, Chain] = field(default_factory=dict)
    bases: dict[str, Hooked] = field(default_factory=dict)


class Ruleset:
    """The tables. Commands are executed one after the other."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self.tables: dict[tuple[str, str], Table] = {}

    def read(self, part: str, text: str) -> None:
        """Load a document on top of what is loaded. Errors: TraceError."""
        for command in commands(part, text):
            self.obey(command)

    def bases(self) -> list[Base]:
        """Return the base chains. Errors: TraceError."""
        return [base for table in self.tables.values() for base in _bases(table)]

    def obey(self, command: Command) -> None:
        """Execute a command. Errors: TraceError."""
        act = _ACTS.get((command.verb, command.kind))
        if act is None:
            raise UnknownRule(command.place, f"`{command.verb} {command.kind}` is not known here")
        fields = Fields(command.place, command.kind, command.fields)
        fields.take("handle", None)
        act(self, fields)
        fields.done()

    # ---- tables

    def add_table(self, fields: Fields) -> None:
        """Execute ``add table``. A table that exists stays as it is."""
        family, name = self._family(fields), _name(fields)
        fields.take("comment", None)
        if (family, name) not in self.tables:
            self.tables[family, name] = Table(family, name, TableNames(family, self._host))

    def delete_table(self, fields: Fields) -> None:
        """Execute ``delete table``. Errors: LoadError, where it does not exist."""
        key = self._family(fields), _name(fields)
        if key not in self.tables:
            raise LoadError(fields.place, f"there is no table {' '.join(key)}")
        del self.tables[key]

    def destroy_table(self, fields: Fields) -> None:
        """Execute ``destroy table``. It is no error where the table does not exist."""
        self.tables.pop((self._family(fields), _name(fields)), None)

    def _family(self, fields: Fields) -> str:
        family = fields.text("family")
        if family not in _VERSIONS:
            raise UnknownRule(fields.place, f"the family {family} is not known here")
        return family

    def _table(self, fields: Fields) -> Table:
        key = self._family(fields), fields.text("table")
        if key not in self.tables:
            raise LoadError(fields.place, f"there is no table {' '.join(key)}")
        return self.tables[key]

    # ---- chains and rules

    def add_chain(self, fields: Fields) -> None:
        """Execute ``add chain``. Errors: LoadError, where a different chain has the name."""
        table, name = self._table(fields), _name(fields)
        fields.take("comment", None)
        hooked = _hooked(fields) if "type" in fields or "hook" in fields or "prio" in fields else None
        if name in table.chains:
            if hooked != table.bases.get(name):
                raise LoadError(fields.place, f"the chain {name} is there already, and is another one")
            return
        table.chains[name] = Chain(name, fields.place)
        if hooked is None:
            table.names.chains.add(name)
        else:
            table.bases[name] = hooked

    def add_rule(self, fields: Fields) -> None:
        """Execute ``add rule``: it goes to the end of its chain."""
        rules, rule = self._rule(fields)
        rules.append(rule)

    def insert_rule(self, fields: Fields) -> None:
        """Execute ``insert rule``: it goes to the beginning of its chain."""
        rules, rule = self._rule(fields)
        rules.insert(0, rule)

    def _rule(self, fields: Fields) -> tuple[list[Rule], NftRule]:
        """Return the rules of the chain, and the new rule."""
        table, name = self._table(fields), fields.text("chain")
        if name not in table.chains:
            raise LoadError(fields.place, f"there is no chain {name}")
        fields.take("comment", None)
        where = f"{table.family} {table.name} {name}"
        return table.chains[name].rules, RuleReader(table.names, fields.place).rule(where, fields.take("expr"))

    # ---- sets and elements

    def add_set(self, fields: Fields) -> None:
        """Execute ``add set``."""
        self._add_set(fields, is_map=False)

    def add_map(self, fields: Fields) -> None:
        """Execute ``add map``."""
        self._add_set(fields, is_map=True)

    def _add_set(self, fields: Fields, *, is_map: bool) -> None:
        table, name, place = self._table(fields), _name(fields), fields.place
        types = _types(place, fields.take("type"))
        flags = set(fields.words("flags"))
        if flags - {"interval", "timeout", "dynamic", "constant"}:
            raise UnknownRule(place, f"a set with the flags {', '.join(sorted(flags))} is not known here")
        if "dynamic" in flags:
            raise LoadError(place, "nft 1.0.6 refuses the flag dynamic in JSON")
        data = fields.take("map") if is_map else None
        timeout = fields.number("timeout") if "timeout" in fields else None
        size = fields.number("size") if "size" in fields else None
        fields.take("comment", None)
        fields.take("gc-interval", None)
        intervals, expires = "interval" in flags, "timeout" in flags or timeout is not None
        own = table.family, table.name, name, place
        made: AnySet
        if not is_map:
            made = KeySet(*own, Elements(types, intervals), timeout, expires, size)
        elif data == "verdict":
            made = JudgementMap(*own, Elements(types, intervals), timeout, expires, size)
        else:
            of = _types(place, data)
            made = ValueMap(*own, Elements(types, intervals), timeout, expires, size, data=of)
        known = table.names.sets.setdefault(name, made)
        if known.kind != made.kind:
            raise LoadError(place, f"the set {name} is there already, and is another one")
        _add_elements(table, known, place, fields.take("elem", []))

    def add_element(self, fields: Fields) -> None:
        """Execute ``add element``. Errors: LoadError, where the set does not exist."""
        table, name = self._table(fields), fields.text("name")
        if name not in table.names.sets:
            raise LoadError(fields.place, f"there is no set {name}")
        _add_elements(table, table.names.sets[name], fields.place, fields.take("elem"))


_ACTS: Mapping[tuple[str, str], Callable[[Ruleset, Fields], None]] = {
    ("add", "table"): Ruleset.add_table,
    ("delete", "table"): Ruleset.delete_table,
    ("destroy", "table"): Ruleset.destroy_table,
    ("add", "chain"): Ruleset.add_chain,
    ("add", "rule"): Ruleset.add_rule,
    ("insert", "rule"): Ruleset.insert_rule,
    ("add", "set"): Ruleset.add_set,
    ("add", "map"): Ruleset.add_map,
    ("add", "element"): Ruleset.add_element,
}


def _add_elements(table: Table, named: AnySet, place: ArtifactLine, listed: object) -> None:
    match named:
        case JudgementMap():
            add_all(place, named.elements, listed, lambda value: judgement(table.names, place, value), is_map=True)
        case KeySet():
            add_all(place, named.elements, listed, lambda _: True, is_map=False)
        case ValueMap(data=(type,)):
            add_all(place, named.elements, listed, lambda value: range_of(place, type, value)[0], is_map=True)
        case _:
            raise UnknownRule(place, "a map to several values is not known here")
    count = len(named.elements.exact) + len(named.elements.ranges)
    if named.size is not None and count > named.size:
        raise LoadError(place, f"the set {named.name} is full: size {named.size}")


def _types(place: ArtifactLine, value: object) -> tuple[Type, ...]:
    names = [value] if isinstance(value, str) else value
    if not isinstance(names, list) or not all(isinstance(name, str) and name in TYPES for name in names):
        raise UnknownRule(place, f"the type {value} is not known here")
    return tuple(TYPES[name] for name in names)


def _name(fields: Fields) -> str:
    name = fields.text("name")
    if not 0 < len(name) <= NAME:
        raise LoadError(fields.place, f"a name has at most {NAME} characters")
    return name


def _hooked(fields: Fields) -> Hooked:
    """Return what makes a chain a base chain. Errors: LoadError, also where nft would make a chain that no hook calls
    (a priority that is no number).
    """
    type, hook = fields.text("type"), fields.text("hook")
    priority, policy = fields.number("prio"), fields.text("policy", "accept")
    if type not in _HOOKS:
        raise UnknownRule(fields.place, f"chains of the type {type} are not known here")
    if hook not in _HOOKS[type]:
        raise LoadError(fields.place, f"a chain of the type {type} cannot have the hook {hook}")
    if policy not in _POLICIES:
        raise LoadError(fields.place, f"{policy} is no policy")
    if type == "nat" and priority <= _NAT_FIRST:
        raise LoadError(fields.place, f"addresses cannot be translated at priority {priority}")
    return Hooked(type, hook, priority, _POLICIES[policy])


def _bases(table: Table) -> Iterator[Base]:
    reached = check_calls(table.chains, (table.chains[name] for name in table.bases))
    for name, bases in reached.items():
        hooks = [(table.bases[base].type, table.bases[base].hook) for base in sorted(bases)]
        for rule in table.chains[name].rules:
            if isinstance(rule, NftRule):
                rule.check_place(hooks)
    for name, hooked in table.bases.items():
        kind, versions = ChainType(hooked.type), _VERSIONS[table.family]
        yield Base(Hook(hooked.hook), hooked.priority, kind, versions, table.chains, table.chains[name], hooked.policy)
