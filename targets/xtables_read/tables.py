"""Reads a script line by line into tables of rules that know their lines."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import TypeAlias

from svcc.compiler.codes import Code
from svcc.kernel.xtables.script import Chain, Entry, Rule, Script, Table
from svcc.targets.reading import Line, Text, compare, quoted
from svcc.targets.xtables_read.rules import Grammar
from svcc.targets.xtables_read.words import NotRead

#: The most bytes of a line, with its end, that iptables-restore reads as one line (sizeof(buffer) in
#: iptables-restore.c).
LINE = 10_240


@dataclass(frozen=True, slots=True)
class Placed:
    """A rule with its line."""

    line: Line
    rule: Rule


@dataclass(slots=True)
class ReadTable:
    """A table, with the lines of its chains and rules."""

    line: Line
    name: str
    chains: dict[str, Line] = field(default_factory=dict)
    rules: dict[str, list[Placed]] = field(default_factory=dict)  # by chain
    entries: list[tuple[str, Placed]] = field(default_factory=list)  # by built-in chain
    known: set[tuple[str, str]] = field(default_factory=set)  # the chain and the text of each rule

    def table(self, *, upwards: bool) -> Table:
        """Return the table as the kernel's object. ``upwards``: chains come before those that jump to them."""
        chains = tuple(Chain(name, tuple(p.rule for p in self.rules[name])) for name in self.chains)
        return Table(self.name, tuple(Entry(hook, p.rule) for hook, p in self.entries), chains, upwards)


_LINE = re.compile(r":(?P<chain>\S+) - \[0:0\]|-(?P<verb>[AI]) (?P<to>\S+) (?P<rule>.+)|\*(?P<table>[a-z]+)|COMMIT")


#: The function to call with each chain that is declared: the table, the line, and the name. Errors: RefusedText.
Declared: TypeAlias = Callable[[ReadTable, Line, str], None]


def read_tables(
    text: Text, grammar: Grammar, known: Collection[str], declared: Declared, *, upwards: bool
) -> list[ReadTable]:
    """Return the tables of a script, in its order. ``upwards``: as in :class:`svcc.kernel.xtables.script.Table`.

    This checks neither the rules nor, beyond what ``declared`` does, the chains. ``declared``, and ``known`` (the names
    of the target's tables), end the reading at the first chain or table that is none of ours, before a million of them
    are in memory. Errors: RefusedText, where no script of ours is printed so.
    """
    tables: list[ReadTable] = []
    inside = False
    line = Line(text.source, text.start, "")
    for line in text.lines():
        found = _LINE.fullmatch(line.text)
        if found is None or bool(found["table"]) == inside or len(line.text.encode()) >= LINE - 1:
            raise line.refused("no line of a script of the target")
        if found["table"]:
            if found["table"] not in known or any(table.name == found["table"] for table in tables):
                why = "is here twice" if found["table"] in known else "is none of the target's"
                raise line.refused(f"table {found['table']} {why}", found["table"], Code.BUNDLE_NAME)
            tables.append(ReadTable(line, found["table"]))
            inside = True
        elif line.text == "COMMIT":
            inside = False
        else:
            if found["chain"]:
                declared(tables[-1], line, found["chain"])
                if (
                    line.start - tables[-1].line.start > text.end - line.start
                ):  # the rules of a chain take more text than its declaration
                    raise line.refused("what follows is too short for the rules of so many chains")
            _take(tables[-1], line, found, grammar)
    if inside:
        raise line.refused("the table is not committed: `COMMIT` is missing")
    compare("", text, str(Script(tuple(table.table(upwards=upwards) for table in tables))))
    return tables


def _take(table: ReadTable, line: Line, found: re.Match[str], grammar: Grammar) -> None:
    chain = found["chain"]
    if chain:
        if chain in table.chains:
            raise line.refused(f"chain {chain} is declared twice", chain)
        table.chains[chain] = line
        table.rules[chain] = []
        return
    if found["verb"] == "A":
        if (found["to"], found["rule"]) in table.known:
            raise line.refused(f"this rule stands twice in chain {found['to']}")
        table.known.add((found["to"], found["rule"]))
    try:
        placed = Placed(line, grammar.rule(found["rule"]))
    except NotRead as error:
        raise line.refused(str(error), found["rule"]) from None
    if found["verb"] == "I":
        table.entries.append((found["to"], placed))
    elif found["to"] in table.rules:
        table.rules[found["to"]].append(placed)
    else:
        raise line.refused(f"chain {quoted(found['to'])} is not declared in this table", found["to"])
