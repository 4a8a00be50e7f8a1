"""Reads one family's script from its text into tables, and checks that it is what this target prints."""

from __future__ import annotations

import re
from collections.abc import Callable
from ipaddress import ip_address
from itertools import pairwise

from svcc.compiler import ir
from svcc.compiler.address_kinds import unable, unable_within
from svcc.compiler.codes import Code
from svcc.compiler.prefix import fault
from svcc.kernel.xtables.matches import (
    Bytecode,
    Comment,
    CtState,
    Flags,
    From,
    FromPorts,
    Mark,
    Match,
    OpenedTo,
    Out,
    Proto,
    To,
    ToLocal,
)
from svcc.kernel.xtables.names import CHAIN_NAME
from svcc.kernel.xtables.script import Rule
from svcc.kernel.xtables.verdicts import Dnat, Final, Goto, Jump, Masquerade, Reject, SetMark, Snat, Verdict
from svcc.targets.iptables.masquerade import hairpin
from svcc.targets.iptables.matches import CERTAIN, READERS, Bucket, Nth, Random, Remember, Remembered
from svcc.targets.iptables.names import PREFIX, Names
from svcc.targets.iptables.script import LOOPBACK, entries
from svcc.targets.iptables.shapes import DESCENDING, SEVERAL, SHAPES
from svcc.targets.reading import Line, Text, quoted
from svcc.targets.xtables_read.rules import Grammar
from svcc.targets.xtables_read.tables import Placed, ReadTable, read_tables

_LABEL = re.compile(r"[A-Za-z0-9_.:/-]+")
_ROOT = re.compile(r"(?P<prefix>.+)-SERVICES")
_ICMP = {4: "icmp-port-unreachable", 6: "icmp6-port-unreachable"}
#: The most rules of a chain that are examined one by one to find the wrong one.
_LOOKED_AT = 500
_LONGEST = 86_400  # the most seconds of affinity


def check_script(text: Text, version: int) -> tuple[str | None, str, set[int]]:
    """Return the prefix of a family's script (None: it is empty), the script as the target prints it, and its mark
    bits.

    Errors: RefusedText.
    """
    tables = read_tables(text, Grammar(READERS), SHAPES, _Declared(), upwards=True)
    if not tables:
        return None, "", set()
    names = Names(_prefix(tables[0]))
    checks = [_TableCheck(table, names, version) for table in tables]
    for before, table in pairwise(tables):
        if [*SHAPES].index(before.name) >= [*SHAPES].index(table.name):
            raise table.line.refused(f"table {table.name} does not come behind table {before.name}")
    for check in checks:
        check.run()
    return names.prefix, text.text, {bit for check in checks for bit in check.marks}


def is_chain(prefix: str, table: str, name: str) -> bool:
    """Whether a chain of this target could have this name in a table."""
    return table in SHAPES and _kind_of(prefix, table, name) is not None


def _kind_of(prefix: str, table: str, name: str) -> str | None:
    """Return the kind of a chain, or None where it is none of ours."""
    shapes, rest = SHAPES[table], name.removeprefix(f"{prefix}-")
    word, _, label = rest.partition("-")
    known = rest if rest in shapes and rest not in SEVERAL else word
    if rest == name or known not in shapes or len(name) > CHAIN_NAME:
        return None
    named = _LABEL.fullmatch(label) is not None if known in SEVERAL else known == rest
    return known if named else None


class _Declared:
    """Checks that each declared chain can be one of ours, and that all of them have one prefix."""

    def __init__(self) -> None:
        self._prefixes: set[str] | None = None  # the prefixes that all chains so far can have

    def __call__(self, table: ReadTable, line: Line, name: str) -> None:
        """Check a declared chain. Errors: RefusedText."""
        if self._prefixes is None:
            self._prefixes = {name[: found.start()] for found in re.finditer("-", name)}
        self._prefixes = {one for one in self._prefixes if _kind_of(one, table.name, name) is not None}
        if not self._prefixes:
            raise line.refused(f"{quoted(name)} is no chain of the target's under its prefix", name, Code.BUNDLE_NAME)


def _prefix(first: ReadTable) -> str:
    if first.name != "nat" or not first.entries:
        raise first.line.refused("the script begins with table nat, and its way in from a built-in chain")
    entry = first.entries[0][1]
    chain = entry.rule.verdict.chain if isinstance(entry.rule.verdict, Jump) else ""
    found = _ROOT.fullmatch(chain)
    if found is None:
        raise entry.line.refused("this leads to no chain `PREFIX-SERVICES`", chain, Code.BUNDLE_NAME)
    prefix = found["prefix"]
    if wrong := fault(prefix):
        raise entry.line.refused(f"{quoted(prefix)} cannot be a prefix: {wrong}", chain, Code.BUNDLE_NAME)
    if len(prefix) > PREFIX:
        raise entry.line.refused(f"a prefix has at most {PREFIX} characters here", chain, Code.BUNDLE_NAME)
    return prefix


class _TableCheck:
    """Checks one table against the shapes of this target."""

    def __init__(self, table: ReadTable, names: Names, version: int) -> None:
        self._table = table
        self._shapes = SHAPES[table.name]
        self._names = names
        self._version = version
        self._kinds = {name: self._kind(name, line) for name, line in table.chains.items()}
        self._places: dict[str | None, int] = {name: place for place, name in enumerate(table.chains)}
        self.marks: set[int] = set()
        ported = _chains_with(table, lambda one: isinstance(one, Dnat) and one.port is not None)
        #: Chains that give packets a port, or go on to such a chain.
        self._for_one_port = ported | _chains_with(table, lambda one: isinstance(one, Goto) and one.chain in ported)

    def run(self) -> None:
        """Check the table. Errors: RefusedText."""
        self._check_entries()
        self._check_order()
        reached: set[str] = set()
        for _, placed in self._table.entries:
            reached.add(self._target(placed.line, placed.rule.verdict))
        for name, line in reversed(self._table.chains.items()):
            if name not in reached:
                raise line.refused(f"nothing leads to chain {name}", name)
            reached |= self._check_chain(name, line)

    def _kind(self, name: str, line: Line) -> str:
        """Return the kind of a chain. Errors: RefusedText, where it is none of ours."""
        kind = _kind_of(self._names.prefix, self._table.name, name)
        if kind is None:
            raise line.refused(f"{quoted(name)} is no chain of the target's under its prefix", name, Code.BUNDLE_NAME)
        return kind

    def _check_entries(self) -> None:
        wanted = entries(self._table.name, self._names)
        for (hook, placed), should in zip(self._table.entries, wanted, strict=False):
            if (hook, placed.rule) != (should.hook, should.rule):
                raise placed.line.refused(f"the target prints here: {quoted(f'-I {should.hook} {should.rule}')}")
        if len(self._table.entries) > len(wanted):
            raise self._table.entries[len(wanted)][1].line.refused(
                "the target prints no such way in from a built-in chain"
            )
        if len(self._table.entries) < len(wanted):
            missing = wanted[len(self._table.entries)]
            raise self._table.line.refused(f"this table lacks {quoted(f'-I {missing.hook} {missing.rule}')}")

    def _check_order(self) -> None:
        ranks = {kind: rank for rank, kind in enumerate(self._shapes)}
        # Branches come before the chain that leads to them, wherever that is.
        chains = ((name, line) for name, line in self._table.chains.items() if self._kinds[name] not in ("AT", "FROM"))
        for (before, _), (name, line) in pairwise(chains):
            rank, last = ranks[self._kinds[name]], ranks[self._kinds[before]]
            if rank < last or (rank == last and self._kinds[name] in DESCENDING and name > before):
                raise line.refused(f"chain {name} stands before {before}", name)

    def _check_chain(self, name: str, line: Line) -> set[str]:
        """Check a chain, and return the chains that it leads to. Errors: RefusedText."""
        rules = self._table.rules[name]
        words = [self._words(placed) for placed in rules]
        pattern = self._shapes[self._kinds[name]]
        if not pattern.fullmatch("".join(words)):
            placed = _first_wrong(pattern, words, rules)
            at = placed.line if placed else line
            raise at.refused(f"chain {name} has no such rule here" if placed else f"chain {name} lacks a rule")
        _check_turns(rules)
        return {
            self._target(placed.line, placed.rule.verdict, name)
            for placed in rules
            if isinstance(placed.rule.verdict, Jump | Goto)
        }

    def _target(self, line: Line, verdict: Verdict, of: str | None = None) -> str:
        """Return the chain that a rule leads to, which has to come before the rule's own chain. Errors: RefusedText."""
        assert isinstance(verdict, Jump | Goto)
        if self._places.get(verdict.chain, len(self._places)) < self._places.get(of, len(self._places)):
            return verdict.chain
        raise line.refused(f"this leads to {quoted(verdict.chain)}, which no line before declares", verdict.chain)

    # -- words of rules -----------------------------------------------------------------------------------------------

    def _words(self, placed: Placed) -> str:
        words = [self._match_word(match, placed) for match in placed.rule.matches]
        return " ".join((*words, self._verdict_word(placed))) + ";"

    def _match_word(self, match: Match, placed: Placed) -> str:
        line = placed.line
        match match:
            case To(destination, negate):
                self._check_family(line, destination)
                loopback = match in (To(LOOPBACK[self._version], negate), To(LOOPBACK[self._version][0], negate))
                if not (loopback or negate or ToLocal() in placed.rule.matches):
                    self._check_served(placed, destination)
                word = "loopback" if loopback else "net" if isinstance(destination, ir.Network) else "addr"
                return "!" * negate + word
            case From(network, False):
                self._check_family(line, network)
                return "from"
            case Proto(protocol, ports):
                return protocol if ports is None else "ports"
            case FromPorts(ir.Protocol.TCP):
                return "sport"
            case Flags(("SYN", "RST")):
                return "-flags"
            case Out("lo", True):
                return "!lo"
            case ToLocal(False):
                return "local"
            case CtState(states):
                return f"state:{','.join(states)}"
            case Mark(value, mask, False) if value == mask:
                self._bit(line, mask)
                return "marked"
            case Bytecode() if match == hairpin(self._version):
                return "hairpin"
            case OpenedTo(destination, opened):
                if destination is not None:
                    self._check_family(line, destination)
                place = "" if destination is None else "net," if isinstance(destination, ir.Network) else "addr,"
                return f"opened:{place}{'ports' * (opened is not None)}"
            case Comment(text) if _LABEL.fullmatch(text):
                return "comment"
            case Random(share) if 0 < share < CERTAIN:
                return "turn"
            case Nth() | Bucket():
                return "turn"
            case Remembered(name, self._version, seconds, network) if 0 < seconds <= _LONGEST:
                return self._list_word("remembered", name, network, placed)
            case Remember(name, self._version, network):
                return self._list_word("remember", name, network, placed)
            case _:
                raise line.refused(f"the target has no rule with {quoted(str(match))}", str(match))

    def _verdict_word(self, placed: Placed) -> str:
        line, verdict = placed.line, placed.rule.verdict
        match verdict:
            case Final(name):
                return name
            case Jump(chain) | Goto(chain):
                kind = self._kinds.get(chain)
                if kind is None:
                    raise line.refused(
                        f"this leads to {quoted(chain)}, which is no chain of this bundle's", chain, Code.BUNDLE_NAME
                    )
                if kind in ("AT", "FROM"):
                    self._check_branch(placed, chain)
                elif chain in self._for_one_port and any(map(_is_range, placed.rule.matches)):
                    raise line.refused("the ports of this range would be one port of the endpoint", chain)
                return f"{'jump' if isinstance(verdict, Jump) else 'goto'}:{kind}"
            case SetMark(value, mask) if value in (0, mask):
                self._bit(line, mask)
                return "mark:on" if value else "mark:off"
            case Masquerade():
                return "masquerade"
            case Snat(first, last) if self._are_sources(first, last):
                return "snat"
            case Reject(reason) if reason in ("tcp-reset", _ICMP[self._version]):
                return "reject:icmp" if reason == _ICMP[self._version] else "reject:tcp-reset"
            case Dnat(address) if (":" in address) == (self._version == 6):
                if why := unable(ip_address(address)):
                    raise line.refused(f"{address} is {why}: no endpoint has it", address)
                return "dnat"
            case _:
                raise line.refused(f"the target has no rule with {quoted(str(verdict))}", str(verdict))

    def _are_sources(self, first: str, last: str) -> bool:
        ends = [ip_address(first), ip_address(last)]
        return all(end.version == self._version for end in ends) and int(ends[0]) <= int(ends[1])

    def _check_branch(self, placed: Placed, chain: str) -> None:
        """Check that a branch by address has the name of the addresses that go there."""
        first, *more = placed.rule.matches or (None,)
        name = ""
        if isinstance(first, To) and not more:
            name = self._names.at(str(first.destination))
        elif isinstance(first, OpenedTo) and not more and chain != self._names.sources_at("nodeports"):
            name = self._names.sources_at(str(first.destination))
        if name not in ("", chain) and isinstance(first, To | OpenedTo):
            raise placed.line.refused(f"the addresses of {first.destination} have another chain than {chain}", chain)

    def _check_served(self, placed: Placed, destination: ir.Address | ir.Network) -> None:
        """What no rule about addresses of this host has is a service's, or a network of them: it can serve."""
        if isinstance(destination, ir.Network):
            rejects = isinstance(placed.rule.verdict, Goto) and placed.rule.verdict.chain.endswith("-REJECT")
            why = unable_within(destination) if rejects else None
            wrong = f"{destination} has {why} in it: it is no network of services" if why else None
        else:
            why = unable(destination)
            wrong = f"{destination} is {why}: no service has it" if why else None
        if wrong is not None:
            raise placed.line.refused(wrong, str(destination))

    def _check_family(self, line: Line, place: ir.Address | ir.Network) -> None:
        if place.version != self._version:
            raise line.refused(f"{place} is of the other family", str(place))

    def _bit(self, line: Line, mask: int) -> None:
        self.marks.add(mask)
        if mask & (mask - 1) or not 0 < mask < 1 << 32 or len(self.marks) > 1:
            raise line.refused("the mark is one bit, and the same everywhere", f"{mask:#x}")

    def _list_word(self, word: str, name: str, network: int | None, placed: Placed) -> str:
        """Check that the list of an endpoint's clients has the name that the endpoint and the length of the clients'
        networks give it, and return ``word``."""
        verdict = placed.rule.verdict
        address = verdict.address if isinstance(verdict, Dnat) else ""
        rest = name.removeprefix(f"{self._names.prefix}-")
        end = "" if network is None else f"_{network}"
        of_it = re.compile(rf"[A-Za-z0-9_.:-]+-{re.escape(address)}(:[0-9]+)?{end}")
        if rest == name or not address or not of_it.fullmatch(rest):
            raise placed.line.refused(f"{quoted(name)} is no list of this endpoint's clients", name, Code.BUNDLE_NAME)
        return word


def _chains_with(table: ReadTable, fits: Callable[[Verdict], bool]) -> set[str]:
    """Return the chains that have a rule with such a verdict."""
    return {name for name, rules in table.rules.items() if any(fits(placed.rule.verdict) for placed in rules)}


def _is_range(match: Match) -> bool:
    return isinstance(match, Proto) and match.ports is not None and match.ports.first != match.ports.last


def _first_wrong(pattern: re.Pattern[str], words: list[str], rules: list[Placed]) -> Placed | None:
    """Return the first rule that cannot belong to the chain. Return None where only rules at the end are missing.

    ``words``: the words of all rules. The longest part of them that is a whole chain counts as right, else the longest
    with which a chain can begin.
    """
    if len(rules) > _LOOKED_AT:
        return None
    good = max((n for n in range(len(words)) if pattern.fullmatch("".join(words[:n]))), default=0)
    if good == 0:
        good = max((n for n in range(len(words)) if pattern.match("".join(words[:n]))), default=0)
    return rules[good] if good < len(rules) else None


def _check_turns(rules: list[Placed]) -> None:
    """Check that turns count down to 2: the last turn of all has no condition."""
    turns = [(placed.line, n) for placed in rules if (n := _turn(placed.rule)) is not None]
    for number, (line, turn) in enumerate(reversed(turns), 2):
        if turn != number:
            raise line.refused(f"expected turn {number}, not turn {turn}")


def _turn(rule: Rule) -> int | None:
    return next((m.every if isinstance(m, Nth) else m.total for m in rule.matches if isinstance(m, Nth | Bucket)), None)
