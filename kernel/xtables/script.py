"""An ``iptables-restore`` script as data: tables, chains, rules, matches and verdicts, printed in the last step.

Every object prints what ``iptables-save`` (1.8) would print for it, word by word, so that a loaded script and the
live state can be compared as text. Sources: iptables(8), iptables-extensions(8).

A script declares only its own chains (``:NAME - [0:0]``, which under ``--noflush`` empties them first), enters them
from built-in chains with ``-I``, and never names a built-in chain otherwise.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple
from zlib import crc32

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
    """One table. Loading its text twice without looking repeats the entries, and nothing else.

    ``upwards``: every chain comes after the chains that it leads to, as :func:`chain_lines` wants it.
    """

    name: str  # nat, filter, mangle, raw
    entries: tuple[Entry, ...]
    chains: tuple[Chain, ...]
    upwards: bool = False

    def rules(self) -> dict[str, tuple[str, ...]]:
        """The texts of the chains' rules, by the chain's name."""
        return texts(self.chains)

    def lines(self, rules: Mapping[str, Sequence[str]]) -> list[str]:
        """What iptables-restore reads, without line ends. ``rules``: as :meth:`rules` has them."""
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
    """The texts of the chains' rules, by the chain's name."""
    return {chain.name: rule_texts(chain.rules) for chain in chains}


def rule_texts(rules: Iterable[Rule]) -> tuple[str, ...]:
    """The texts of rules."""
    return tuple([f"{_words(matches)}{verdict!s}" for matches, verdict in rules])


#: Tuples of matches that were printed, by identity (hashing would cost more), and their texts.
_WORDS: dict[int, tuple[tuple[Match, ...], str]] = {}
#: As many are kept.
_KEPT = 4096


def _words(matches: tuple[Match, ...]) -> str:
    """See :func:`words`. Thousands of rules share their matches, which are printed once."""
    known = _WORDS.get(id(matches))
    if known is not None and known[0] is matches:
        return known[1]
    text = words(matches)
    if len(_WORDS) >= _KEPT:
        _WORDS.clear()
    _WORDS[id(matches)] = matches, text
    return text


def words(matches: Iterable[Match]) -> str:
    """The text of matches, with a space behind each."""
    return "".join([f"{match} " for match in matches])


#: As many chains are declared at once at a table's head.
AT_ONCE = 1024
#: Where there are more, how many are declared together, on average.
TOGETHER = 256


def chain_lines(chains: Mapping[str, Sequence[str]]) -> list[str]:
    """Declare the chains, and append the texts of their rules; every chain comes after those that it leads to.

    More than :data:`AT_ONCE` come in groups, each declared before its rules, for the sake of iptables-nft-restore.
    Under ``--noflush`` it keeps a sorted list of all chains that it has met, and for each line looks up its chain, and
    the one that it leads to, from the list's front. So names should stand in descending order, and a chain's rules not
    far from its declaration; and links of the list that were made in a row are close in memory, where they are walked
    several times faster than links with rules in between.

    Whether a group begins with a chain depends on its name alone: one more chain is one more declaration in its group,
    but for one in :data:`TOGETHER`, which parts a group in two.
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
    """Append the texts of rules to their chains."""
    return [f"-A {name} {rule}" for name, rules in chains.items() for rule in rules]


@dataclass(frozen=True, slots=True)
class Script:
    """What ``iptables-restore --noflush`` reads: tables in the order in which they are committed."""

    tables: tuple[Table, ...] = ()

    def __str__(self) -> str:
        """The script's text, every line ended; empty where there is no table."""
        return "".join("\n".join((*table.lines(table.rules()), "")) for table in self.tables)
