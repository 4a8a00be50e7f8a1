"""A packet on its way through a node, and what the node remembers of earlier packets."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field
from enum import StrEnum
from fractions import Fraction
from ipaddress import ip_address
from typing import NamedTuple

from svcc.compiler import ir
from svcc.verify.packet import Packet, Portless, Refusal
from svcc.verify.trace.chance import Chance
from svcc.verify.trace.faults import ArtifactLine, UnknownRule

#: Protocol numbers (IANA).
NUMBERS = {ir.Protocol.TCP: 6, ir.Protocol.UDP: 17, ir.Protocol.SCTP: 132}
_PORTLESS = {Portless.ICMP: 1, Portless.GRE: 47, Portless.ESP: 50, Portless.OSPF: 89}
_ICMPV6 = 58

#: A device with an unknown name: neither the loopback device, nor one that the artifacts made.
SOME_DEVICE = "?"
LOOPBACK = "lo"


class Hook(StrEnum):
    """The places where the kernel calls rules (netfilter)."""

    PREROUTING = "prerouting"
    INPUT = "input"
    FORWARD = "forward"
    OUTPUT = "output"
    POSTROUTING = "postrouting"


class Manip(StrEnum):
    """The two translations of a connection. The first packet decides each of them."""

    SOURCE = "source"
    DESTINATION = "destination"


class Step(NamedTuple):
    """Something that happened to the packet."""

    hook: str  # a hook, or "routing"
    place: ArtifactLine | None  # the line of the artifact that caused it
    text: str


@dataclass(frozen=True, slots=True)
class Entry:
    """What is remembered of a client: since when, and for how many seconds (None: for good)."""

    since: Fraction
    timeout: int | None
    data: Hashable = None


@dataclass(slots=True)
class Memory:
    """What earlier packets left behind. ``now`` is in seconds since some beginning."""

    now: Fraction = Fraction(0)
    #: Entries by owner (a set, a list, a virtual server) and key.
    entries: dict[tuple[Hashable, Hashable], Entry] = field(default_factory=dict)
    #: For rules that count packets.
    counters: dict[ArtifactLine, int] = field(default_factory=dict)

    def copy(self) -> Memory:
        """Return a copy that later packets can change without changing this one."""
        return Memory(self.now, dict(self.entries), dict(self.counters))


@dataclass(frozen=True, slots=True)
class Binding:
    """The connection that a packet belongs to: where it goes, and whether its source is rewritten."""

    address: ir.Address
    port: int
    masquerade: bool
    by_ipvs: bool = False  # False: it is sent by address translation
    #: How IPVS forwards it: "masq", "direct" or "tunnel". "": in the way of the first of its virtual services that has
    #: the real server. Two of these may have the same server, and after a choice by mark, later packets do not show
    #: which service it was.
    method: str = ""


@dataclass(frozen=True, slots=True)
class Segment:
    """Makes the packet a TCP segment that connection tracking calls INVALID, and holds what is known of it."""

    source_port: int
    flags: frozenset[str] = frozenset({"ACK"})


class Draw(StrEnum):
    """How a choice is made for a connection."""

    RANDOM = "random"
    TURN = "turn"  # in turn
    CLIENT = "client"  # by a hash of the client's address
    CONNECTION = "connection"  # by a hash of the client's address and port
    OTHER = "other"  # by another hash, or by load


class Stopped(Exception):
    """The packet goes no further."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal)
        self.refusal = refusal


def _number(protocol: ir.Protocol | Portless, version: int) -> int:
    if isinstance(protocol, ir.Protocol):
        return NUMBERS[protocol]
    return _ICMPV6 if protocol is Portless.ICMP and version == 6 else _PORTLESS[protocol]


@dataclass(slots=True)
class Flow:
    """The packet as rules see it; they change it as they go."""

    packet: Packet
    chance: Chance
    memory: Memory
    own: tuple[ir.Address, ...] = ()  # the node's own addresses, the main one first
    binding: Binding | None = None  # None: the packet opens a connection
    segment: Segment | None = None  # None: connection tracking knows the packet
    source: ir.Address | None = None  # None: an address of the node that routing chooses
    destination: ir.Address = field(default_factory=lambda: ip_address(0))
    port: int = 0
    mark: int = 0
    ct_mark: int = 0  # the connection's mark
    came_in: str = SOME_DEVICE
    going_out: str = ""
    hook: str = ""
    tracked: bool = False
    sent: bool = False  # a rule has chosen the destination
    translated: bool = False  # the destination is no longer the original one
    masqueraded: bool = False
    # the first and the last address that its source may have become; empty: the node's
    sources: tuple[ir.Address, ...] = ()
    by_ipvs: ir.Address | None = None  # the address of the real server that IPVS chose
    most: int = 0  # the limit of connections of the real server; 0: there is none
    one_packet: bool = False  # IPVS does not remember the connection
    tunnelled: bool = False  # it is inside a packet of the node's own, which no rule of a service matches
    settled: set[Manip] = field(default_factory=set)
    steps: list[Step] = field(default_factory=list)
    answer: str = ""  # how it is answered where it is rejected
    draws: set[tuple[Draw, ArtifactLine]] = field(default_factory=set)  # how chance decided, and for which line
    recalled: set[int] = field(default_factory=set)  # timeouts of remembered entries that decided
    limits: set[int] = field(default_factory=set)  # all timeouts that were looked at
    version: int = field(init=False)  # kept here, because rules read these two all the time
    protocol: int = field(init=False)

    def __post_init__(self) -> None:
        self.version = self.destination.version
        self.protocol = _number(self.packet.protocol, self.version)

    def sender(self, place: ArtifactLine) -> ir.Address:
        """Return the packet's source address.

        ``place``: the line of the rule that needs it. Errors: UnknownRule, once it is masqueraded.
        """
        if self.source is None:
            raise UnknownRule(place, "asks for the source after it was masqueraded, which depends on routing")
        return self.source

    def note(self, text: str, place: ArtifactLine | None = None) -> None:
        """Note a step. ``place``: the line that caused it."""
        self.steps.append(Step(self.hook, place, text))

    # ---- translation

    def send_to(self, address: ir.Address, port: int) -> None:
        """Translate the destination for the whole connection."""
        self.sent = True
        self.translated |= (address, port) != (self.destination, self.port)
        self.destination, self.port = address, port
        self.settled.add(Manip.DESTINATION)

    def masquerade(self) -> None:
        """Translate the source.

        A packet that leaves through loopback gets the node's first address (inet_select_addr).
        """
        first = next((a for a in self.own if a.version == self.version), None)
        self.source, self.masqueraded = first if self.going_out == LOOPBACK else None, True
        self.settled.add(Manip.SOURCE)

    def come_from(self, first: ir.Address, last: ir.Address) -> None:
        """Translate the source to an address of a range, which the kernel chooses by a hash."""
        self.source, self.masqueraded, self.sources = None, True, (first, last)
        self.settled.add(Manip.SOURCE)

    def follow(self, binding: Binding, manip: Manip) -> None:
        """Translate in the same way as for the connection's first packet."""
        if manip is Manip.SOURCE and binding.masquerade:
            self.masquerade()
        elif manip is Manip.DESTINATION and not binding.by_ipvs:
            self.send_to(binding.address, binding.port)
        self.settled.add(manip)

    # ---- memory

    def recall(self, owner: Hashable, key: Hashable, within: int | None = None) -> Entry | None:
        """Return what is remembered and still valid: not timed out, and at most ``within`` seconds old.

        Return None where nothing is.
        """
        if within is not None:
            self.limits.add(within)
        entry = self.memory.entries.get((owner, key))
        if entry is None:
            return None
        limits = {limit for limit in (entry.timeout, within) if limit is not None}
        self.limits |= limits
        if any(self.memory.now - entry.since > limit for limit in limits):
            return None
        self.recalled |= limits
        return entry

    def remember(self, owner: Hashable, key: Hashable, timeout: int | None = None, data: Hashable = None) -> None:
        """Remember a client from now on. ``timeout``: in seconds; None: for good."""
        self.memory.entries[owner, key] = Entry(self.memory.now, timeout, data)
        if timeout is not None:
            self.limits.add(timeout)

    def forget(self, owner: Hashable, key: Hashable) -> None:
        """Forget a client. It is no error where the client is not remembered."""
        self.memory.entries.pop((owner, key), None)
