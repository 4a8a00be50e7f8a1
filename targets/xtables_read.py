"""``iptables-restore`` scripts as text, read into the objects of :mod:`svcc.kernel.xtables.script`.

There is a reader for every match and verdict; a target adds those that it alone has. A rule that is not printed again
as it was read is refused, so readers need not look at how numbers and addresses are spelt.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from ipaddress import ip_address, ip_network
from typing import TypeAlias

from svcc.compiler import ir
from svcc.compiler.codes import Code
from svcc.kernel.xtables.matches import (
    Bytecode,
    Comment,
    CtMark,
    CtState,
    Flags,
    From,
    FromPorts,
    In,
    InSet,
    Mark,
    Match,
    OpenedTo,
    Out,
    Proto,
    To,
    ToLocal,
)
from svcc.kernel.xtables.script import Chain, Entry, Rule, Script, Table
from svcc.kernel.xtables.verdicts import (
    Dnat,
    Final,
    Goto,
    Jump,
    MarkFromSet,
    Masquerade,
    Reject,
    SetCtMark,
    SetMark,
    Snat,
    Verdict,
)
from svcc.targets.reading import Line, Text, compare, quoted

#: Bytes of a line with its end that iptables-restore reads as one (sizeof(buffer) in iptables-restore.c).
LINE = 10_240

_WORD = re.compile(r'"((?:[^"\\]|\\.)*+)"|[^\s"]+')
_FINAL = {name: Final(name) for name in ("ACCEPT", "DROP", "RETURN")}
_PROTOCOLS = {protocol.value: protocol for protocol in ir.Protocol}


class NotRead(Exception):
    """Words that are none of the rule's; the message says what is wrong."""


@dataclass(slots=True)
class Words:
    """The words of a rule, taken from the left."""

    words: list[str]
    at: int = 0

    def take(self) -> str:
        if self.at == len(self.words):
            raise NotRead("the rule ends in the middle")
        self.at += 1
        return self.words[self.at - 1]

    def expect(self, *words: str) -> None:
        for word in words:
            if (found := self.take()) != word:
                raise NotRead(f"`{word}` comes here, not {quoted(found)}")

    def negation(self) -> bool:
        """Whether `!` comes next, which is taken."""
        found = self.words[self.at : self.at + 1] == ["!"]
        self.at += found
        return found

    def number(self, base: int = 10) -> int:
        text = self.take()
        try:
            return int(text[:20], base)
        except ValueError:
            raise NotRead(f"{quoted(text)} is no number") from None

    def masked(self) -> tuple[int, int]:
        """``0x4000/0x4000``."""
        value, _, mask = self.take().partition("/")
        try:
            return int(value[:20], 16), int(mask[:20], 16)
        except ValueError:
            raise NotRead(f"{quoted(value)} is no mark with a mask") from None


#: Reads the words behind those that it is known by; the flag says that `!` stood before them.
Reader: TypeAlias = Callable[[Words, bool], Match]


@lru_cache(maxsize=65_536)
def _network(text: str) -> ir.Network:
    try:
        return ip_network(text)
    except ValueError:
        raise NotRead(f"{quoted(text)} is no network") from None


def _from(words: Words, negate: bool) -> Match:
    return From(_network(words.take()), negate)


def _to(words: Words, negate: bool) -> Match:
    network = _network(words.take())
    return To(network.network_address if network.prefixlen == network.max_prefixlen else network, negate)


def _proto(words: Words, _negate: bool) -> Match:
    name = words.take()
    protocol = _PROTOCOLS.get(name)
    if protocol is None:
        raise NotRead(f"{quoted(name)} is no protocol of a service")
    option = "".join(words.words[words.at + 2 : words.at + 3])
    if words.words[words.at : words.at + 2] != ["-m", name] or option not in ("--dport", "--sport"):
        return Proto(protocol)
    words.expect("-m", name, option)
    ports = _ports(words.take())
    return Proto(protocol, ports) if option == "--dport" else FromPorts(protocol, ports)


def _ports(text: str) -> ir.PortRange:
    """``80`` or ``80:89``. Errors: NotRead."""
    first, _, last = text.partition(":")
    if not (first.isdecimal() and (last or "0").isdecimal() and len(first) < 6 and len(last) < 6):
        raise NotRead(f"{quoted(first)} is no port")
    ports = ir.PortRange(int(first), int(last or first))
    if not 0 <= ports.first <= ports.last < 1 << 16:
        raise NotRead(f"{ports} are no ports")
    return ports


def _flags(words: Words, _negate: bool) -> Match:
    words.expect("--tcp-flags")
    clear = tuple(words.take().split(","))
    words.expect("NONE")
    return Flags(clear)


def _conntrack(words: Words, _negate: bool) -> Match:
    if words.words[words.at : words.at + 1] == ["--ctstate"]:
        words.expect("--ctstate")
        return CtState(tuple(words.take().split(",")))
    destination: ir.Network | None = None
    if words.words[words.at : words.at + 1] == ["--ctorigdst"]:
        words.expect("--ctorigdst")
        destination = _network(words.take())
    if destination is not None and words.words[words.at : words.at + 1] != ["--ctorigdstport"]:
        return OpenedTo.of(destination)
    words.expect("--ctorigdstport")
    return OpenedTo.of(destination, _ports(words.take()))


def _addrtype(words: Words, _negate: bool) -> Match:
    negate = words.negation()
    words.expect("--dst-type", "LOCAL")
    return ToLocal(negate)


def _mark(words: Words, _negate: bool) -> Match:
    negate = words.negation()
    words.expect("--mark")
    return Mark(*words.masked(), negate)


def _connmark(words: Words, _negate: bool) -> Match:
    words.expect("--mark")
    return CtMark(*words.masked())


def _set(words: Words, _negate: bool) -> Match:
    negate = words.negation()
    words.expect("--match-set")
    return InSet(words.take(), words.take(), negate)


def _bytecode(words: Words, _negate: bool) -> Match:
    words.expect("--bytecode")
    _, *steps = words.take().split(",")
    try:
        code = [tuple(int(number[:20]) for number in step.split(" ")) for step in steps]
        return Bytecode(tuple((a, b, c, d) for a, b, c, d in code))
    except ValueError:
        raise NotRead("the bytecode is not four numbers a step") from None


def _comment(words: Words, _negate: bool) -> Match:
    words.expect("--comment")
    return Comment(words.take())


#: The matches that all targets print, by the words that they begin with.
MATCHES: dict[str, Reader] = {
    "-s": _from,
    "-d": _to,
    "-i": lambda words, negate: In(words.take(), negate),
    "-o": lambda words, negate: Out(words.take(), negate),
    "-p": _proto,
    "-m tcp": _flags,
    "-m conntrack": _conntrack,
    "-m addrtype": _addrtype,
    "-m mark": _mark,
    "-m connmark": _connmark,
    "-m set": _set,
    "-m bpf": _bytecode,
    "-m comment": _comment,
}


def _dnat(words: Words) -> Verdict:
    words.expect("--to-destination")
    text = words.take()
    host, port = text, ""
    if text.startswith("["):
        host, _, port = text[1:].partition("]:")
    elif text.count(":") == 1:
        host, _, port = text.partition(":")
    try:
        address = str(ip_address(host))
        number = int(port[:20]) if port else None
    except ValueError:
        raise NotRead(f"{quoted(text)} is no endpoint") from None
    if number is not None and not 0 < number < 1 << 16:
        raise NotRead(f"{number} is no port")
    return Dnat(address, number)


def _set_mark(words: Words) -> Verdict:
    words.expect("--set-xmark")
    return SetMark(*words.masked())


def _set_ct_mark(words: Words) -> Verdict:
    words.expect("--set-xmark")
    return SetCtMark(*words.masked())


def _mark_from_set(words: Words) -> Verdict:
    words.expect("--map-set")
    name, fields = words.take(), words.take()
    words.expect("--map-mark")
    return MarkFromSet(name, fields)


def _masquerade(words: Words) -> Verdict:
    words.expect("--random-fully")
    return Masquerade()


def _snat(words: Words) -> Verdict:
    words.expect("--to-source")
    first, _, last = words.take().partition("-")
    words.expect("--random-fully")
    try:
        return Snat(str(ip_address(first)), str(ip_address(last or first)))
    except ValueError:
        raise NotRead(f"{quoted(first)} is no source") from None


def _reject(words: Words) -> Verdict:
    words.expect("--reject-with")
    return Reject(words.take())


#: The verdicts that are no chains, by the word behind ``-j``.
VERDICTS: dict[str, Callable[[Words], Verdict]] = {
    "MARK": _set_mark,
    "CONNMARK": _set_ct_mark,
    "SET": _mark_from_set,
    "MASQUERADE": _masquerade,
    "SNAT": _snat,
    "REJECT": _reject,
    "DNAT": _dnat,
}


@dataclass(slots=True)
class Grammar:
    """The matches and verdicts of one target."""

    matches: Mapping[str, Reader] = field(default_factory=dict)  # its own, beside :data:`MATCHES`
    verdicts: Mapping[str, Callable[[Words], Verdict]] = field(default_factory=dict)
    _known: dict[str, tuple[Match, ...]] = field(default_factory=dict)  # thousands of rules share their matches

    def rule(self, text: str) -> Rule:
        """The rule that is printed as ``text``. Errors: NotRead."""
        known = self._known
        cut = max(text.rfind(" -j "), text.rfind(" -g ")) + 1
        if cut and text[:cut] in known:
            matches = known[text[:cut]]
            words = _split(text[cut:])
        else:
            words = _split(text)
            matches = tuple(self._matches(words))
            if cut:
                known[text[:cut]] = matches
        rule = Rule(matches, self._verdict(words))
        if words.at < len(words.words):
            raise NotRead(f"nothing comes behind the verdict, and here is {quoted(words.words[words.at])}")
        if str(rule) != text:
            raise NotRead(f"the target prints this as {quoted(str(rule))}")
        return rule

    def knows(self, rules: Iterable[str]) -> bool:
        """Whether all of some rules are printed so."""
        try:
            for text in rules:
                self.rule(text)
        except NotRead:
            return False
        return True

    def _matches(self, words: Words) -> list[Match]:
        found: list[Match] = []
        while words.words[words.at : words.at + 1] not in ([], ["-j"], ["-g"]):
            word = words.take()
            negate = word == "!"
            key = words.take() if negate else word
            if key == "-m":
                key = f"-m {words.take()}"
            reader = self.matches.get(key) or MATCHES.get(key)
            if reader is None:
                raise NotRead(f"no rule of the target has {quoted(key)}")
            found.append(reader(words, negate))
        return found

    def _verdict(self, words: Words) -> Verdict:
        option, name = words.take(), words.take()
        if option == "-g":
            return Goto(name)
        special = self.verdicts.get(name) or VERDICTS.get(name)
        return special(words) if special else _FINAL.get(name) or Jump(name)


def _split(text: str) -> Words:
    """Errors: NotRead."""
    words: list[str] = []
    if '"' not in text:
        return Words(text.split(" "))
    end = 0
    for found in _WORD.finditer(text):
        quote = found[1]
        words.append(found[0] if quote is None else re.sub(r"\\(.)", r"\1", quote))
        end = found.end()
    if end != len(text):
        raise NotRead("a quote is not closed")
    return Words(words)


# -- tables -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Placed:
    """A rule with its line."""

    line: Line
    rule: Rule


@dataclass(slots=True)
class ReadTable:
    """A table, with the lines of what is in it."""

    line: Line
    name: str
    chains: dict[str, Line] = field(default_factory=dict)
    rules: dict[str, list[Placed]] = field(default_factory=dict)  # by chain
    entries: list[tuple[str, Placed]] = field(default_factory=list)  # by built-in chain
    known: set[tuple[str, str]] = field(default_factory=set)  # the chain and the text of each rule

    def table(self, *, upwards: bool) -> Table:
        chains = tuple(Chain(name, tuple(p.rule for p in self.rules[name])) for name in self.chains)
        return Table(self.name, tuple(Entry(hook, p.rule) for hook, p in self.entries), chains, upwards)


_LINE = re.compile(r":(?P<chain>\S+) - \[0:0\]|-(?P<verb>[AI]) (?P<to>\S+) (?P<rule>.+)|\*(?P<table>[a-z]+)|COMMIT")


#: Is told of each chain where it is declared: the table, the line, and the chain's name. Errors: Refused.
Declared: TypeAlias = Callable[[ReadTable, Line, str], None]


def read_tables(
    text: Text, grammar: Grammar, known: Collection[str], declared: Declared, *, upwards: bool
) -> list[ReadTable]:
    """The tables of a script, in its order. ``upwards``: as of :class:`svcc.kernel.xtables.script.Table`.

    Rules are not looked into, nor chains beyond what ``declared`` does. It and ``known``, the names of the target's
    tables, end the reading at the first chain and table that is none of ours, before a million of them are in memory.
    Errors: Refused, where no script of ours is printed so.
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
                ):  # a chain's rules are longer than its line
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
