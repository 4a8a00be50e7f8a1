"""An ``iptables-restore`` script as data: tables, chains, rules, matches and verdicts, printed in the last step.

Every object prints what ``iptables-save`` (1.8) would print for it, word by word, so that a loaded script and the
live state can be compared as text. Sources: iptables(8), iptables-extensions(8).

A script declares only its own chains (``:NAME - [0:0]``, which under ``--noflush`` empties them first), enters them
from built-in chains with ``-I``, and never names a built-in chain otherwise.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from typing import NamedTuple
from zlib import crc32

from svcc.kernel.addresses import Address, Network, Ports, text_of

#: The most characters of a chain's name on either variant; names of this length load on both.
CHAIN_NAME = 28
#: The most characters of ``-m comment`` (XT_MAX_COMMENT_LEN with its final zero).
COMMENT = 255
#: The words of a comment that are printed without quotes, as libxtables decides it.
_BARE = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_")


# -- matches ----------------------------------------------------------------------------------------------------------


class Match(ABC):
    """One condition of a rule. ``-s``, ``-d``, ``-i``, ``-o`` and ``-p`` come first in a rule, in this order."""

    __slots__ = ()

    @abstractmethod
    def __str__(self) -> str: ...


@dataclass(frozen=True, slots=True)
class From(Match):
    network: Network
    negate: bool = False

    def __str__(self) -> str:
        return f"{_not(self.negate)}-s {self.network}"


@dataclass(frozen=True, slots=True)
class To(Match):
    """Destination: an address (printed as a /32 or /128) or a network."""

    destination: Address | Network
    negate: bool = False

    def __str__(self) -> str:
        to = self.destination
        if isinstance(to, IPv4Address):
            text = f"{text_of(to)}/32"
        else:
            text = f"{to}/128" if isinstance(to, IPv6Address) else str(to)
        return f"! -d {text}" if self.negate else f"-d {text}"


def from_(network: Network) -> tuple[Match, ...]:
    """Sources in ``network``: no match at all where that is every address, as iptables-save has it."""
    return (From(network),) if network.prefixlen else ()


def to(network: Network) -> tuple[Match, ...]:
    """Destinations in ``network``, likewise."""
    return (To(network),) if network.prefixlen else ()


@dataclass(frozen=True, slots=True)
class In(Match):
    device: str
    negate: bool = False

    def __str__(self) -> str:
        return f"{_not(self.negate)}-i {self.device}"


@dataclass(frozen=True, slots=True)
class Out(Match):
    device: str
    negate: bool = False

    def __str__(self) -> str:
        return f"{_not(self.negate)}-o {self.device}"


@dataclass(frozen=True, slots=True)
class Proto(Match):
    """A protocol, and destination ports of it where ``ports`` are given."""

    protocol: str
    ports: Ports | None = None

    def __str__(self) -> str:
        name = self.protocol
        if self.ports is None:
            return f"-p {name}"
        first, last = self.ports.first, self.ports.last
        return f"-p {name} -m {name} --dport {first}" + (f":{last}" if last != first else "")


@dataclass(frozen=True, slots=True)
class FromPorts(Match):
    """A protocol, and source ports of it."""

    protocol: str
    ports: Ports

    def __str__(self) -> str:
        first, last = self.ports.first, self.ports.last
        name = self.protocol
        return f"-p {name} -m {name} --sport {first}" + (f":{last}" if last != first else "")


@dataclass(frozen=True, slots=True)
class Flags(Match):
    """TCP flags, none of which is set. It follows a :class:`Proto` without ports."""

    clear: tuple[str, ...]  # in the order of FIN, SYN, RST, PSH, ACK, URG

    def __str__(self) -> str:
        return f"-m tcp --tcp-flags {','.join(self.clear)} NONE"


@dataclass(frozen=True, slots=True)
class CtState(Match):
    """Connection-tracking states, in the order of INVALID, NEW, RELATED, ESTABLISHED, UNTRACKED, SNAT, DNAT."""

    states: tuple[str, ...]

    def __str__(self) -> str:
        return f"-m conntrack --ctstate {','.join(self.states)}"


@dataclass(frozen=True, slots=True)
class NotTranslatedTo(Match):
    """Nobody has rewritten the connection's destination (the state DNAT of conntrack's)."""

    def __str__(self) -> str:
        return "-m conntrack ! --ctstate DNAT"


@dataclass(frozen=True, slots=True)
class OpenedTo(Match):
    """What the packet's connection was opened to: an address or a network, and ports, behind a match of the
    protocol."""

    destination: Address | Network | None
    ports: Ports | None = None

    @classmethod
    def of(cls, destination: Address | Network | None, ports: Ports | None = None) -> OpenedTo:
        """A network of one address is that address here: so iptables-save prints it."""
        if isinstance(destination, Network) and destination.prefixlen == destination.max_prefixlen:
            return cls(destination.network_address, ports)
        return cls(destination, ports)

    def __str__(self) -> str:
        words = ["-m conntrack"]
        if self.destination is not None:
            to = self.destination
            words.append(f"--ctorigdst {to if isinstance(to, Network) else text_of(to)}")
        if self.ports is not None:
            first, last = self.ports.first, self.ports.last
            words.append(f"--ctorigdstport {first}" + (f":{last}" if last != first else ""))
        return " ".join(words)


@dataclass(frozen=True, slots=True)
class ByIpvs(Match):
    """IPVS has chosen where the packet goes (xt_ipvs: ``skb->ipvs_property``)."""

    def __str__(self) -> str:
        return "-m ipvs --ipvs"


@dataclass(frozen=True, slots=True)
class ToLocal(Match):
    """The destination is an address of this host (the kernel's local routing table decides)."""

    negate: bool = False

    def __str__(self) -> str:
        return f"-m addrtype {_not(self.negate)}--dst-type LOCAL"


@dataclass(frozen=True, slots=True)
class Mark(Match):
    value: int
    mask: int
    negate: bool = False

    def __str__(self) -> str:
        return f"-m mark {_not(self.negate)}--mark {self.value:#x}/{self.mask:#x}"


@dataclass(frozen=True, slots=True)
class CtMark(Match):
    """The connection's mark."""

    value: int
    mask: int

    def __str__(self) -> str:
        return f"-m connmark --mark {self.value:#x}/{self.mask:#x}"


@dataclass(frozen=True, slots=True)
class InSet(Match):
    """An ipset holds the packet's ``fields`` ("dst", "dst,dst,src")."""

    name: str
    fields: str
    negate: bool = False

    def __str__(self) -> str:
        return f"-m set {_not(self.negate)}--match-set {self.name} {self.fields}"


@dataclass(frozen=True, slots=True)
class Bytecode(Match):
    """Classic BPF over the packet from its network header; a result other than 0 matches."""

    code: tuple[tuple[int, int, int, int], ...]  # opcode, jump if true, jump if false, operand

    def __str__(self) -> str:
        words = [str(len(self.code)), *(" ".join(map(str, step)) for step in self.code)]
        return f'-m bpf --bytecode "{",".join(words)}"'


@dataclass(frozen=True, slots=True)
class Comment(Match):
    text: str

    def __str__(self) -> str:
        if self.text and _BARE.issuperset(self.text):
            return f"-m comment --comment {self.text}"
        escaped = "".join(f"\\{c}" if c in "\"\\'" else c for c in self.text)
        return f'-m comment --comment "{escaped}"'


def _not(negate: bool) -> str:
    return "! " if negate else ""


# -- verdicts ---------------------------------------------------------------------------------------------------------


class Verdict(ABC):
    """What a rule does with the packet that it matches."""

    __slots__ = ()

    @abstractmethod
    def __str__(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Final(Verdict):
    """ACCEPT, DROP or RETURN."""

    name: str

    def __str__(self) -> str:
        return f"-j {self.name}"


ACCEPT, DROP, RETURN = Final("ACCEPT"), Final("DROP"), Final("RETURN")


@dataclass(frozen=True, slots=True)
class Jump(Verdict):
    """Walk ``chain``, then come back."""

    chain: str

    def __str__(self) -> str:
        return f"-j {self.chain}"


@dataclass(frozen=True, slots=True)
class Goto(Verdict):
    """Walk ``chain``, then go on where this rule's own chain was called from."""

    chain: str

    def __str__(self) -> str:
        return f"-g {self.chain}"


@dataclass(frozen=True, slots=True)
class SetMark(Verdict):
    """Set the bits of ``mask`` in the packet's mark to ``value`` and go on."""

    value: int
    mask: int

    def __str__(self) -> str:
        return f"-j MARK --set-xmark {self.value:#x}/{self.mask:#x}"


@dataclass(frozen=True, slots=True)
class SetCtMark(Verdict):
    """Set the bits of ``mask`` in the connection's mark to ``value`` and go on."""

    value: int
    mask: int

    def __str__(self) -> str:
        return f"-j CONNMARK --set-xmark {self.value:#x}/{self.mask:#x}"


@dataclass(frozen=True, slots=True)
class MarkFromSet(Verdict):
    """mangle table only. Where an ipset holds the packet's ``fields``, the packet gets the mark that the element says
    (skbinfo in ipset(8)); either way it goes on."""

    name: str
    fields: str

    def __str__(self) -> str:
        return f"-j SET --map-set {self.name} {self.fields} --map-mark"


@dataclass(frozen=True, slots=True)
class Masquerade(Verdict):
    """Source becomes the outgoing device's address, with a source port chosen at random (of two connections that
    are set up in the same moment, neither can take the other's)."""

    def __str__(self) -> str:
        return "-j MASQUERADE --random-fully"


@dataclass(frozen=True, slots=True)
class Snat(Verdict):
    """Source becomes one of the addresses from ``first`` to ``last`` (as printed), likewise."""

    first: str
    last: str

    def __str__(self) -> str:
        addresses = self.first if self.first == self.last else f"{self.first}-{self.last}"
        return f"-j SNAT --to-source {addresses} --random-fully"


@dataclass(frozen=True, slots=True)
class Reject(Verdict):
    """filter table only. ``reason``: tcp-reset, icmp-port-unreachable, icmp6-port-unreachable."""

    reason: str

    def __str__(self) -> str:
        return f"-j REJECT --reject-with {self.reason}"


@dataclass(frozen=True, slots=True)
class Dnat(Verdict):
    """nat table only. Destination becomes ``address`` (as printed, an IPv6 address without brackets)."""

    address: str
    port: int | None = None  # None: the port stays

    def __str__(self) -> str:
        return dnat(self.address, self.port)


def dnat(address: str, port: int | None) -> str:
    """The text of :class:`Dnat`, without the object: there are hundreds of thousands."""
    if port is None:
        return f"-j DNAT --to-destination {address}"
    host = f"[{address}]" if ":" in address else address
    return f"-j DNAT --to-destination {host}:{port}"


# -- rules, chains, tables, script ------------------------------------------------------------------------------------


class Rule(NamedTuple):
    """The packet goes to ``verdict`` if every match holds. A named tuple, because there are hundreds of thousands."""

    matches: tuple[Match, ...]
    verdict: Verdict

    def __str__(self) -> str:
        return " ".join(map(str, (*self.matches, self.verdict)))


@dataclass(frozen=True, slots=True)
class Chain:
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


#: Targets of ``-j`` that are not chains.
EXTENSIONS = frozenset({"ACCEPT", "DROP", "RETURN", "DNAT", "SNAT", "MASQUERADE", "MARK", "CONNMARK", "SET", "REJECT"})
