"""Reads tables, chains and rules as ``iptables-restore --noflush`` does (iptables-restore(8), iptables(8)).

It assumes that the tables were empty before, as on a node where only these artifacts are loaded.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from svcc.verify.trace.chains import Chain, Final, check_calls
from svcc.verify.trace.faults import LoadError
from svcc.verify.trace.flow import Hook
from svcc.verify.trace.host import Host
from svcc.verify.trace.ipset import IpSet
from svcc.verify.trace.kernel import NAT_DESTINATION, NAT_SOURCE, Base, ChainType
from svcc.verify.trace.lines import Reader, Words
from svcc.verify.trace.xt_rule import Builder, XtRule

CHAIN_NAME = 28  # characters

#: The built-in chains of each table, with their priorities (net/ipv4/netfilter, enum nf_ip_hook_priorities).
_BUILT_IN: Mapping[str, Mapping[str, int]] = {
    "raw": {"PREROUTING": -300, "OUTPUT": -300},
    "mangle": dict.fromkeys(("PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"), -150),
    "nat": {
        "PREROUTING": NAT_DESTINATION,
        "INPUT": NAT_SOURCE,
        "OUTPUT": NAT_DESTINATION,
        "POSTROUTING": NAT_SOURCE,
    },
    "filter": {"INPUT": 0, "FORWARD": 0, "OUTPUT": 0},
}
_POLICIES = {"ACCEPT": Final.ACCEPT, "DROP": Final.DROP}


@dataclass(slots=True)
class Table:
    """A table with its chains, and the policies of the built-in ones."""

    name: str
    chains: dict[str, Chain] = field(default_factory=dict)
    policies: dict[str, Final] = field(default_factory=dict)

    def built_in(self) -> Iterator[Chain]:
        """Yield the chains that the kernel calls, which exist without being declared."""
        return (self.chains[name] for name in _BUILT_IN[self.name])


class Xtables:
    """The tables of one family."""

    def __init__(self, version: int, sets: Mapping[str, IpSet], host: Host) -> None:
        self._version = version
        self._builder = Builder(version, sets, host)
        self._tables: dict[str, Table] = {}

    def read(self, part: str, text: str) -> None:
        """Load a part on top of what is loaded. Errors: TraceError."""
        table: Table | None = None
        words: Words | None = None
        declared: set[str] = set()
        for words in Reader(part, text):
            if words.text.startswith("*"):
                if table is not None:
                    raise words.refused("the table before has no COMMIT")
                table, declared = self._open(words), set()
            elif table is None:
                raise words.refused("this stands in no table")
            elif words.text == "COMMIT":
                _commit(table)
                table = None
            elif words.text.startswith(":"):
                _declare(words, table, declared)
            else:
                _command(words, table, self._builder)
        if table is not None and words is not None:
            raise words.refused("the last table has no COMMIT: it is not loaded")

    def bases(self) -> list[Base]:
        """Return the built-in chains that have rules."""
        return [base for table in self._tables.values() for base in _bases(table, self._version)]

    def _open(self, words: Words) -> Table:
        name = words.take()[1:]
        words.done()
        if name not in _BUILT_IN:
            raise words.unknown(name)
        if name not in self._tables:
            self._tables[name] = Table(name, {chain: Chain(chain, words.place) for chain in _BUILT_IN[name]})
        return self._tables[name]


def _declare(words: Words, table: Table, declared: set[str]) -> None:
    """Read ``:CHAIN POLICY [PACKETS:BYTES]``: it makes a new chain, or empties one that exists (but not a built-in
    one).
    """
    name, policy = words.take()[1:], words.take("a policy")
    words.take("the counters")
    words.done()
    if len(name) > CHAIN_NAME:
        raise words.refused(f"{name} has more than {CHAIN_NAME} characters")
    if name in _BUILT_IN[table.name]:
        if policy not in _POLICIES:
            raise words.refused(f"{policy} is no policy")
        table.policies[name] = _POLICIES[policy]
        return
    if policy != "-":
        raise words.refused("only a built-in chain has a policy")
    if name in declared:
        raise words.refused(f"{name} is declared twice")
    declared.add(name)
    table.chains[name] = Chain(name, words.place)


def _command(words: Words, table: Table, builder: Builder) -> None:
    verb = words.take()
    if verb not in ("-A", "--append", "-I", "--insert"):
        raise words.unknown(verb)
    name = words.take("a chain")
    if name not in table.chains:
        raise words.refused(f"there is no chain {name}")
    rules = table.chains[name].rules
    index = len(rules)
    if verb in ("-I", "--insert"):
        index = words.value(words.take(), int) - 1 if words.peek().isdigit() else 0
        if not 0 <= index <= len(rules):
            raise words.refused("there are not so many rules")
    rule = builder.rule(words, table.name, name)
    for other in rule.calls():
        if other not in table.chains:  # not even a chain that is declared further down
            raise words.refused(f"there is no chain {other}")
    rules.insert(index, rule)


def _commit(table: Table) -> None:
    """Check what the kernel checks when it takes a table. Errors: LoadError."""
    reached = check_calls(table.chains, table.built_in())
    for chain in table.chains.values():
        for rule in chain.rules:
            if isinstance(rule, XtRule):
                _check_place(rule, table.name, reached.get(chain.name, ()))


def _check_place(rule: XtRule, table: str, hooks: Iterable[str]) -> None:
    target = rule.target
    if target.tables and table not in target.tables:
        raise LoadError(rule.place, f"this target is not valid in the table {table}")
    for hook in hooks:
        if target.hooks and hook not in target.hooks:
            raise LoadError(rule.place, f"this target is not valid in {hook}")
        if rule.goes_out and hook in ("PREROUTING", "INPUT"):
            raise LoadError(rule.place, f"-o is not valid in {hook}")
        if rule.comes_in and hook in ("OUTPUT", "POSTROUTING"):
            raise LoadError(rule.place, f"-i is not valid in {hook}")


def _bases(table: Table, version: int) -> Iterator[Base]:
    for name, priority in _BUILT_IN[table.name].items():
        chain = table.chains[name]
        policy = table.policies.get(name, Final.ACCEPT)
        if not chain.rules and policy is Final.ACCEPT:
            continue
        kind = ChainType.NAT if table.name == "nat" else ChainType.FILTER
        yield Base(Hook(name.lower()), priority, kind, frozenset({version}), table.chains, chain, policy)
