"""The matches of a rule, printed as ``iptables-save`` (1.8) prints them (iptables-extensions(8))."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address

from svcc.kernel.addresses import Address, Network, Ports, text_of

#: The most characters of ``-m comment`` (XT_MAX_COMMENT_LEN with its final zero).
COMMENT = 255


#: The characters of a comment that libxtables prints without quotes.
_BARE = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_")


class Match(ABC):
    """One condition of a rule. ``-s``, ``-d``, ``-i``, ``-o`` and ``-p`` come first in a rule, in this order."""

    __slots__ = ()

    @abstractmethod
    def __str__(self) -> str: ...


@dataclass(frozen=True, slots=True)
class From(Match):
    """The source address is in a network (iptables(8), ``-s``)."""

    network: Network
    negate: bool = False

    def __str__(self) -> str:
        return f"{_not(self.negate)}-s {self.network}"


@dataclass(frozen=True, slots=True)
class To(Match):
    """The destination is an address (printed as a /32 or /128), or in a network (iptables(8), ``-d``)."""

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
    """Return the matches of sources in ``network``: none where that holds every address, as in iptables-save."""
    return (From(network),) if network.prefixlen else ()


def to(network: Network) -> tuple[Match, ...]:
    """Return the matches of destinations in ``network``: none where that holds every address, as in iptables-save."""
    return (To(network),) if network.prefixlen else ()


@dataclass(frozen=True, slots=True)
class In(Match):
    """The packet came in by a device (iptables(8), ``-i``)."""

    device: str
    negate: bool = False

    def __str__(self) -> str:
        return f"{_not(self.negate)}-i {self.device}"


@dataclass(frozen=True, slots=True)
class Out(Match):
    """The packet leaves by a device (iptables(8), ``-o``)."""

    device: str
    negate: bool = False

    def __str__(self) -> str:
        return f"{_not(self.negate)}-o {self.device}"


@dataclass(frozen=True, slots=True)
class Proto(Match):
    """The packet's protocol, and its destination port where ``ports`` are given."""

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
    """The packet's protocol and its source port."""

    protocol: str
    ports: Ports

    def __str__(self) -> str:
        first, last = self.ports.first, self.ports.last
        name = self.protocol
        return f"-p {name} -m {name} --sport {first}" + (f":{last}" if last != first else "")


@dataclass(frozen=True, slots=True)
class Flags(Match):
    """None of these TCP flags is set. This match follows a :class:`Proto` without ports."""

    clear: tuple[str, ...]  # in the order of FIN, SYN, RST, PSH, ACK, URG

    def __str__(self) -> str:
        return f"-m tcp --tcp-flags {','.join(self.clear)} NONE"


@dataclass(frozen=True, slots=True)
class CtState(Match):
    """The connection has one of these states of connection tracking."""

    states: tuple[str, ...]  # in the order of INVALID, NEW, RELATED, ESTABLISHED, UNTRACKED, SNAT, DNAT

    def __str__(self) -> str:
        return f"-m conntrack --ctstate {','.join(self.states)}"


@dataclass(frozen=True, slots=True)
class NotTranslatedTo(Match):
    """The connection's destination was not translated (it lacks conntrack's state DNAT)."""

    def __str__(self) -> str:
        return "-m conntrack ! --ctstate DNAT"


@dataclass(frozen=True, slots=True)
class OpenedTo(Match):
    """The original destination of the packet's connection: an address or a network, and ports, which need a match of
    the protocol before."""

    destination: Address | Network | None
    ports: Ports | None = None

    @classmethod
    def of(cls, destination: Address | Network | None, ports: Ports | None = None) -> OpenedTo:
        """Return the match, with an address in the place of a network of one address, as iptables-save prints it."""
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
    """The packet's mark, of which ``mask`` selects bits, is ``value`` (iptables-extensions(8), "mark")."""

    value: int
    mask: int
    negate: bool = False

    def __str__(self) -> str:
        return f"-m mark {_not(self.negate)}--mark {self.value:#x}/{self.mask:#x}"


@dataclass(frozen=True, slots=True)
class CtMark(Match):
    """The connection's mark, of which ``mask`` selects bits, is ``value``."""

    value: int
    mask: int

    def __str__(self) -> str:
        return f"-m connmark --mark {self.value:#x}/{self.mask:#x}"


@dataclass(frozen=True, slots=True)
class InSet(Match):
    """A set of ipset's holds the packet's ``fields`` ("dst", "dst,dst,src")."""

    name: str
    fields: str
    negate: bool = False

    def __str__(self) -> str:
        return f"-m set {_not(self.negate)}--match-set {self.name} {self.fields}"


@dataclass(frozen=True, slots=True)
class Bytecode(Match):
    """A program of classic BPF matches the packet, from its network header on: its result is not 0."""

    code: tuple[tuple[int, int, int, int], ...]  # opcode, jump if true, jump if false, operand

    def __str__(self) -> str:
        words = [str(len(self.code)), *(" ".join(map(str, step)) for step in self.code)]
        return f'-m bpf --bytecode "{",".join(words)}"'


@dataclass(frozen=True, slots=True)
class Comment(Match):
    """A comment for people, which matches every packet."""

    text: str

    def __str__(self) -> str:
        if self.text and _BARE.issuperset(self.text):
            return f"-m comment --comment {self.text}"
        escaped = "".join(f"\\{c}" if c in "\"\\'" else c for c in self.text)
        return f'-m comment --comment "{escaped}"'


def _not(negate: bool) -> str:
    return "! " if negate else ""
