"""Reads what ``iptables-save`` and ``ip6tables-save`` print, and iptables-restore reads, as tables, chains
and rules.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from svcc.compiler.importers.interface import Note, broken
from svcc.compiler.importers.words import lines, text_of
from svcc.compiler.source import Source, Span

_WORD = re.compile(r'"(?:[^"\\]|\\.)*"|[^\s"]+')
_COUNTERS = re.compile(r"\[[0-9]+:[0-9]+\]\s*")
_CHAIN = re.compile(r":(\S+)\s+(\S+)(?:\s+\[[0-9]+:[0-9]+\])?")
_COMMAND = re.compile(r"-(?:[A-Z]|-(?:append|insert|new-chain|delete|replace|policy|flush|delete-chain|zero))\b")
#: Short and older names of options, with the names that are used here (iptables(8), iptables-extensions(8)).
_NAMES = {
    "-d": "--destination",
    "--dst": "--destination",
    "-s": "--source",
    "--src": "--source",
    "-p": "--protocol",
    "--proto": "--protocol",
    "-i": "--in-interface",
    "-o": "--out-interface",
    "-j": "--jump",
    "-g": "--goto",
    "-m": "--match",
    "--destination-port": "--dport",
    "--destination-ports": "--dports",
}


@dataclass(frozen=True, slots=True)
class Option:
    """An option with its values, such as ``! -s 10.0.0.0/8``."""

    name: str  # the long name
    values: tuple[str, ...]
    negated: bool = False

    @property
    def value(self) -> str:
        """The words behind the option, with blanks between them; "" for an option without a value."""
        return " ".join(self.values)

    def __str__(self) -> str:
        return " ".join((*(["!"] if self.negated else []), self.name, *self.values))


@dataclass(frozen=True, slots=True)
class Rule:
    """A line that appends a rule."""

    span: Span
    options: tuple[Option, ...]  # all but --match

    def value(self, name: str) -> str:
        """Return the value of an option; "" where the rule has no such option."""
        return next((option.value for option in self.options if option.name == name), "")

    @property
    def target(self) -> str:
        """The chain or action that the rule jumps to; "" where the rule only counts."""
        return self.value("--jump") or self.value("--goto")

    @property
    def comment(self) -> str:
        """The text of ``-m comment``; "" where the rule has none."""
        return self.value("--comment")


@dataclass(slots=True)
class Ruleset:
    """The tables of one family, with the rules of each chain."""

    tables: dict[str, dict[str, list[Rule]]] = field(default_factory=dict)

    def chains(self, table: str) -> dict[str, list[Rule]]:
        """Return the chains of a table with their rules, by name; none where the file has no such table."""
        return self.tables.get(table, {})


def rulesets(source: Source, notes: list[Note]) -> list[Ruleset]:
    """Return the rules of a text: several sets where a table comes again, as where both families were saved to one
    file.

    Errors: Broken, where a line cannot be iptables-save's.
    """
    found = [Ruleset()]
    chains: dict[str, list[Rule]] | None = None
    last = Span(source, 0, 1)
    for span in lines(source):
        last, text = span, text_of(span)
        if text.startswith("#"):
            continue
        if text.startswith("*"):
            if chains is not None:
                raise broken("the table before this one does not end with COMMIT", span)
            if text[1:] in found[-1].tables:
                found.append(Ruleset())
            chains = found[-1].tables[text[1:]] = {}
        elif chains is None:
            raise broken("not what iptables-save prints: no table (*nat) begins before this line", span, _HINT)
        elif text == "COMMIT":
            chains = None
        else:
            _take(chains, span, text, notes)
    if chains is not None:
        raise broken("the text ends within a table, without COMMIT", last, "save the rules again: it may be cut off")
    return found


_HINT = "save the rules with iptables-save"


def _take(chains: dict[str, list[Rule]], span: Span, text: str, notes: list[Note]) -> None:
    if (declared := _CHAIN.fullmatch(text)) is not None:
        chains.setdefault(declared[1], [])
        if declared[2] in ("DROP", "QUEUE"):
            notes.append(Note(span, "svcc sets no policies of chains: this one applies to svcc's services too"))
        return
    counters = _COUNTERS.match(text)
    words = _WORD.findall(text[counters.end() :] if counters else text)
    if words and words[0] in ("-A", "--append") and len(words) > 1:
        options = tuple(option for option in _options(words[2:], span) if option.name != "--match")
        chains.setdefault(words[1], []).append(Rule(span, options))
    elif words and words[0] in ("-N", "--new-chain") and len(words) == 2:
        chains.setdefault(words[1], [])
    elif _COMMAND.match(text):
        notes.append(Note(span, "import takes rules that are appended (-A), as iptables-save prints them"))
    else:
        raise broken("not a line of iptables-save", span, _HINT)


def _options(words: list[str], span: Span) -> Iterator[Option]:
    name, values, negated, negates = "", list[str](), False, False
    for word in words:
        if word == "!":
            negates = True
        elif word.startswith("-") and len(word) > 1:
            if name:
                yield Option(name, tuple(values), negated)
            name, values, negated, negates = _NAMES.get(word, word), [], negates, False
        elif not name:
            raise broken(f"`{word}` belongs to no option", span)
        else:
            values.append(_unquoted(word))
            negated, negates = negated or negates, False
    if name:
        yield Option(name, tuple(values), negated)


def _unquoted(word: str) -> str:
    return re.sub(r"\\(.)", r"\1", word[1:-1]) if word.startswith('"') and len(word) > 1 else word
