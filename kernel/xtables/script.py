"""An ``iptables-restore`` script as objects: tables, chains, rules, matches and verdicts, printed in the last step.

Every object prints what ``iptables-save`` (1.8) would print for it, word by word, so that a loaded script and the
live state can be compared as text. Sources: iptables(8), iptables-extensions(8).

A script declares only its own chains (``:NAME - [0:0]``, which under ``--noflush`` empties them first). It adds entries
to built-in chains with ``-I``, and names built-in chains nowhere else.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple
from zlib import crc32

if TYPE_CHECKING:  # drivers need the texts of rules alone
    from svcc.kernel.xtables.matches import Match
    from svcc.kernel.xtables.verdicts import Verdict


class Rule(NamedTuple):
    """The packet goes to ``verdict`` if every match holds. A named tuple, because there are hundreds of thousands."""

    matches: tuple[Match, ...]
    verdict: Verdict

    def __str__(self) -> str:
        return " ".join(map(str, (*self.matches, self.verdict)))


@dataclass(frozen=True, slots=True)
class Chain:
    """A chain of ours with its rules."""

    name: str
    rules: tuple[Rule, ...]


@dataclass(frozen=True, slots=True)
class Entry:
    """A rule at the head of a built-in chain, through which packets come to ours."""

    hook: str  # PREROUTING, INPUT, FORWARD, OUTPUT, POSTROUTING
    rule: Rule


@dataclass(frozen=True, slots=True)
class Table:
    """A table of a script. Where the text is loaded twice, its entries are there twice, and nothing else is."""

    name: str  # nat, filter, mangle, raw
    entries: tuple[Entry, ...]
    chains: tuple[Chain, ...]
    upwards: bool = False  # whether every chain comes after the chains that it leads to, as chain_lines needs

    def rules(self) -> dict[str, tuple[str, ...]]:
        """Return the texts of the chains' rules, by the chain's name."""
        return texts(self.chains)

    def lines(self, rules: Mapping[str, Sequence[str]]) -> list[str]:
        """Return the lines that iptables-restore reads, without line ends. ``rules``: what :meth:`rules` returns."""
        entries = [f"-I {entry.hook} {entry.rule}" for entry in self.entries]
        lines = [f"*{self.name}"]
        if self.upwards:
            lines += chain_lines(rules)
            lines += entries
        else:
            lines += [f":{name} - [0:0]" for name in rules]
            lines += entries
            lines += rule_lines(rules)
        lines.append("COMMIT")
        return lines


def texts(chains: Iterable[Chain]) -> dict[str, tuple[str, ...]]:
    """Return the texts of the chains' rules, by the chain's name."""
    return {chain.name: rule_texts(chain.rules) for chain in chains}


def rule_texts(rules: Iterable[Rule]) -> tuple[str, ...]:
    """Return the texts of rules."""
    return tuple([f"{_words(matches)}{verdict!s}" for matches, verdict in rules])


#: The texts of tuples of matches that were printed, with these tuples, by their identity (hashing would take longer).
_WORDS: dict[int, tuple[tuple[Match, ...], str]] = {}
#: How many of these texts are kept.
_KEPT = 4096


def _words(matches: tuple[Match, ...]) -> str:
    """Return what :func:`words` does. Results are kept, because thousands of rules share their matches."""
    known = _WORDS.get(id(matches))
    if known is not None and known[0] is matches:
        return known[1]
    text = words(matches)
    if len(_WORDS) >= _KEPT:
        _WORDS.clear()
    _WORDS[id(matches)] = matches, text
    return text


def words(matches: Iterable[Match]) -> str:
    """Return the text of matches, with a space after each."""
    return "".join([f"{match} " for match in matches])


#: Up to so many chains are all declared at the head of a table.
AT_ONCE = 1024
#: Where there are more chains, the average number of those that are declared together.
TOGETHER = 256


def chain_lines(chains: Mapping[str, Sequence[str]]) -> list[str]:
    """Return the lines that declare the chains and append their rules. Every chain has to come after those that it
    leads to.

    More than :data:`AT_ONCE` chains come in groups, each declared before its rules, because that is quicker for
    iptables-nft-restore. Under ``--noflush`` it keeps a sorted list of all chains that it has met. For each line it
    looks up the line's chain, and the one that it leads to, from the front of that list. So names should be in
    descending order, and a chain's rules near its declaration. Besides, list entries that were made one after the other
    are close in memory, and are walked several times faster than entries with rules in between.

    Whether a group begins with a chain depends on the chain's name alone. So a new chain adds one declaration to a
    group; one in :data:`TOGETHER` splits a group in two.
    """
    lines: list[str] = []
    group: dict[str, Sequence[str]] = {}
    for name, rules in chains.items():
        if group and len(chains) > AT_ONCE and crc32(name.encode()) % TOGETHER == 0:
            lines += _group_lines(group)
            group = {}
        group[name] = rules
    return lines + _group_lines(group)


def _group_lines(group: Mapping[str, Sequence[str]]) -> list[str]:
    return [f":{name} - [0:0]" for name in group] + rule_lines(group)


def rule_lines(chains: Mapping[str, Sequence[str]]) -> list[str]:
    """Return the lines that append rules to their chains."""
    return [f"-A {name} {rule}" for name, rules in chains.items() for rule in rules]


@dataclass(frozen=True, slots=True)
class Script:
    """A script for ``iptables-restore --noflush``."""

    tables: tuple[Table, ...] = ()  # in the order in which they are committed

    def __str__(self) -> str:
        """Return the script's text, with an end of each line; "" where there is no table."""
        return "".join("\n".join((*table.lines(table.rules()), "")) for table in self.tables)
