"""Our chains as values, read from a script for iptables-restore or from what iptables-save prints, in one form.

The scripts that svcc writes have each rule word for word as iptables-save prints it
(:mod:`svcc.kernel.xtables.script`), so a rule is its text here. Lines are read in one pass, as there may be hundreds of
thousands.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

from svcc.kernel.json_values import Json, items, members, optional, string, strings
from svcc.kernel.ownership import Ours
from svcc.kernel.xtables.script import Entry, Script
from svcc.kernel.xtables.script import Table as ScriptTable
from svcc.kernel.xtables.verdicts import EXTENSIONS

#: A chain's rules, each without ``-A CHAIN``.
Rules: TypeAlias = tuple[str, ...]

_DECLARED = re.compile(r":(?P<chain>\S+) - \[0:0\]")


@dataclass(frozen=True, slots=True)
class Table:
    """Our chains and entries in one table. Chains are in the order of the text that they were read from, which does not
    matter."""

    chains: Mapping[str, Rules] = field(default_factory=dict)
    entries: tuple[tuple[str, str], ...] = ()  # built-in chain and rule, sorted; may be in it twice


class ForeignJump(NamedTuple):
    """A rule in a chain of somebody else's that leads to one of ours, which cannot be removed before the rule is."""

    table: str
    chain: str
    rule: str
    stray: bool = False  # whether it is in the variant that is not used


class ForeignChain(NamedTuple):
    """A chain of somebody else's whose name begins with our prefix."""

    table: str
    chain: str

    def __str__(self) -> str:
        """Return how messages name it."""
        return f"{self.chain} (table {self.table})"


#: Tables by name (nat, filter, mangle, …); those without any object of ours are left out.
Tables: TypeAlias = Mapping[str, Table]


@dataclass(frozen=True, slots=True)
class State:
    """Our objects of one family. A state that is read from a text has no variant, and everything in ``tables``."""

    tables: Tables = field(default_factory=dict)
    strays: Tables = field(default_factory=dict)  # objects in the variant that is not used, which are never wanted
    prefix: str = field(default="", compare=False)  # of the chains' names, without ``-``
    variant: str | None = field(default=None, compare=False)  # the variant that is used: legacy or nft
    held: tuple[ForeignJump, ...] = field(default=(), compare=False)  # rules of others that lead to our chains
    foreign: tuple[ForeignChain, ...] = field(default=(), compare=False)  # others' chains under our prefix

    @property
    def empty(self) -> bool:
        """Whether there is no object of ours, in either variant."""
        return not self.tables and not self.strays


def leads_to(rule: str) -> str | None:
    """Return the chain that a rule leads to; None where it leads to none. ``rule``: its text.

    A rule ends in its target and the target's options. A target that is a chain has no options; words in a comment that
    look like such a target are followed by the comment's quote.
    """
    words = rule.rsplit(" ", 2)
    if len(words) < 2 or words[-2] not in ("-j", "-g") or words[-1] in EXTENSIONS or words[-1].endswith('"'):
        return None
    return words[-1]


def printed(script: Script, prefix: str) -> tuple[str, State]:
    """Return the text of a script, and the state that it describes. Each rule is printed once for both.

    ``prefix``: that of the chains' names, without ``-``.
    """
    lines: list[str] = []
    tables: dict[str, Table] = {}
    for table in script.tables:
        rules = table.rules()
        lines += table.lines(rules)
        entries = tuple(sorted((entry.hook, str(entry.rule)) for entry in table.entries))
        tables[table.name] = Table(rules, entries)
    return "".join([f"{line}\n" for line in lines]), State(tables, prefix=prefix)


def script_text(state: State, entries: Mapping[str, Sequence[Entry]]) -> str:
    """Return the script of a state in whose tables each chain comes after those that it leads to. ``entries``: those of
    each table, in the order in which they are to be printed."""
    lines: list[str] = []
    for name, table in state.tables.items():
        lines += ScriptTable(name, tuple(entries[name]), (), upwards=True).lines(table.chains)
    lines.append("")  # every line is ended
    return "\n".join(lines)


class _Builder:
    """Collects tables, chains, rules and entries."""

    def __init__(self) -> None:
        self._tables: dict[str, tuple[dict[str, list[str]], list[tuple[str, str]]]] = {}
        self.table = ""
        self.chains: dict[str, list[str]] = {}
        self.entries: list[tuple[str, str]] = []

    def enter(self, table: str) -> None:
        self.table = table
        self.chains, self.entries = self._tables.setdefault(table, ({}, []))

    def tables(self) -> Tables:
        return {
            name: Table({chain: tuple(rules) for chain, rules in chains.items()}, tuple(sorted(entries)))
            for name, (chains, entries) in self._tables.items()
            if chains or entries
        }


def parse_script(text: str, ours: Ours) -> State:
    """Return the state that a script of svcc's describes. Errors: ValueError, with the line, for any other text."""
    built = _Builder()
    for number, line in enumerate(text.split("\n")[:-1], 1):
        if not _take(built, line, ours):
            raise ValueError(f"line {number}: svcc writes no such line: {line}")
    if text and (built.table or not text.endswith("\n")):
        raise ValueError(f"line {text.count(chr(10)) + 1}: the end is missing")
    return State(built.tables(), prefix=ours.prefix)


def _take(built: _Builder, line: str, ours: Ours) -> bool:
    """Take one line of a script. Return whether svcc writes such a line there."""
    if line.startswith("-A "):
        chain, _, rule = line[3:].partition(" ")
        rules = built.chains.get(chain)
        if rules is None or not built.table:
            return False
        rules.append(rule)
        return True
    if line.startswith("*") and not built.table:
        built.enter(line[1:])
        return True
    if not built.table:
        return False
    if line.startswith("-I "):
        hook, _, rule = line[3:].partition(" ")
        built.entries.append((hook, rule))
        return ours.owns(leads_to(rule) or "")
    if line == "COMMIT":
        built.table = ""
        return True
    declared = _DECLARED.fullmatch(line)
    return declared is not None and ours.owns(declared["chain"]) and _declare(built, declared["chain"])


def _declare(built: _Builder, chain: str) -> bool:
    return built.chains.setdefault(chain, []) == []


@dataclass(frozen=True, slots=True)
class Saved:
    """Our objects in the listing of one variant."""

    tables: Tables
    held: tuple[ForeignJump, ...] = ()  # rules of others that lead to our chains
    unreadable: frozenset[str] = frozenset()  # tables with rules that nft made, and iptables cannot print


_UNREADABLE = re.compile(r"# Table `(?P<table>\w+)' is incompatible")
_ESCAPED = re.compile(r"\\.", re.DOTALL)


def parse_saved(text: str, ours: Ours) -> Saved:
    """Return our objects in a text that iptables-save printed. Errors: LookupError, ValueError, where it is no such
    text."""
    built = _Builder()
    held: list[ForeignJump] = []
    builtin: set[str] = set()
    own = f"-A {ours.prefix}-"
    hint = f" {ours.prefix}-"
    current, rules = "", list[str]()
    unreadable = set[str]()
    for line in listed_lines(text):
        if line.startswith(own):
            chain, _, rule = line[3:].partition(" ")
            if chain != current:
                current, rules = chain, built.chains[chain]
            rules.append(rule)
        elif line.startswith("-"):
            if hint in line:
                chain, _, rule = line[3:].partition(" ")
                if not ours.owns(leads_to(rule) or ""):
                    continue
                if chain in builtin:
                    built.entries.append((chain, rule))
                else:
                    held.append(ForeignJump(built.table, chain, rule))
        elif line.startswith(":"):
            chain, policy, _ = line[1:].rsplit(" ", 2)
            if policy != "-":
                builtin.add(chain)
            elif ours.owns(chain):
                built.chains[chain] = []
        elif line.startswith("*"):
            built.enter(line[1:])
            builtin.clear()
            current = ""
        elif found := _UNREADABLE.match(line):
            unreadable.add(found["table"])
    return Saved(built.tables(), tuple(held), frozenset(unreadable))


def listed_lines(text: str) -> Iterator[str]:
    """Yield the lines of a listing, each rule as a whole. A rule goes on over line ends that are in quotes, as in a
    comment of somebody's: ``xtables_save_string`` puts a backslash before quotes and backslashes, and leaves line ends
    alone."""
    pending = ""
    for line in text.split("\n"):
        whole = f"{pending}\n{line}" if pending else line
        if whole.startswith("-") and _is_open(whole):
            pending = whole
        else:
            pending = ""
            yield whole
    if pending:
        yield pending


def _is_open(rule: str) -> bool:
    """Whether a rule's text ends inside quotes."""
    if '"' not in rule:
        return False
    return bool((_ESCAPED.sub("", rule) if "\\" in rule else rule).count('"') % 2)


# -- JSON -------------------------------------------------------------------------------------------------------------


def dump_state(state: State) -> Json:
    """Return the state in JSON's own types."""
    return {
        "prefix": state.prefix,
        "variant": state.variant,
        "tables": _dumped(state.tables),
        "strays": _dumped(state.strays),
    }


def load_state(data: object) -> State:
    """Return the state that :func:`dump_state` was given. Errors: LookupError, TypeError, ValueError."""
    fields = members(data)
    variant = optional(string, fields["variant"])
    return State(_loaded(fields["tables"]), _loaded(fields["strays"]), string(fields["prefix"]), variant)


def _dumped(tables: Tables) -> Json:
    return {name: {"chains": dict(table.chains), "entries": table.entries} for name, table in tables.items()}


def _loaded(data: Json) -> Tables:
    return {name: _table(members(table)) for name, table in members(data).items()}


def _table(fields: Mapping[str, Json]) -> Table:
    chains = {chain: strings(rules) for chain, rules in members(fields["chains"]).items()}
    return Table(chains, tuple((hook, rule) for hook, rule in map(strings, items(fields["entries"]))))


def lines_of(tables: Tables) -> Iterator[str]:
    """Yield the text of every rule and entry."""
    for table in tables.values():
        for rules in table.chains.values():
            yield from rules
        for _, rule in table.entries:
            yield rule
