"""The matches of xtables rules (iptables-extensions(8)), each decided as the kernel's module decides it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

from svcc.compiler import ir
from svcc.verify.trace import bpf, values
from svcc.verify.trace.faults import ArtifactLine, LoadError, UnknownRule
from svcc.verify.trace.flow import SOME_DEVICE, Draw, Flow
from svcc.verify.trace.host import Host
from svcc.verify.trace.ipset import IpSet


class Match(ABC):
    """One condition of a rule."""

    __slots__ = ()

    @abstractmethod
    def holds(self, flow: Flow) -> bool:
        """Whether a packet matches. Errors: UnknownRule, where a trace cannot know."""


@dataclass(frozen=True, slots=True)
class Always(Match):
    """``-m comment``: it always matches."""

    def holds(self, flow: Flow) -> bool:
        return True


@dataclass(frozen=True, slots=True)
class Not(Match):
    """``!``: matches what the inner match does not."""

    inner: Match

    def holds(self, flow: Flow) -> bool:
        return not self.inner.holds(flow)


@dataclass(frozen=True, slots=True)
class Address(Match):
    """``-s`` and ``-d``: the packet's source or destination."""

    place: ArtifactLine
    network: ir.Network
    source: bool
    _first: int = field(init=False, repr=False, compare=False)
    _mask: int = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_first", int(self.network.network_address))
        object.__setattr__(self, "_mask", int(self.network.netmask))

    def holds(self, flow: Flow) -> bool:
        """Whether the address is in the network. Both are of one family: packets of the other meet other rules."""
        return int(flow.sender(self.place) if self.source else flow.destination) & self._mask == self._first


@dataclass(frozen=True, slots=True)
class Protocol(Match):
    """``-p``: the number of the protocol."""

    number: int

    def holds(self, flow: Flow) -> bool:
        return flow.protocol == self.number


@dataclass(frozen=True, slots=True)
class Device(Match):
    """``-i`` and ``-o``: a device, by its name or by the beginning of its name (``eth+``)."""

    place: ArtifactLine
    name: str
    going_out: bool

    def holds(self, flow: Flow) -> bool:
        device = flow.going_out if self.going_out else flow.came_in
        if device != SOME_DEVICE:
            return device.startswith(self.name[:-1]) if self.name.endswith("+") else device == self.name
        if self.name == "+":
            return True
        if self.name == "lo":
            return False
        raise UnknownRule(self.place, f"whether the device is {self.name} is not known to a trace")


@dataclass(frozen=True, slots=True)
class Ports(Match):
    """Destination ports, of the protocol that the rule names."""

    ranges: tuple[tuple[int, int], ...]

    def holds(self, flow: Flow) -> bool:
        return any(first <= flow.port <= last for first, last in self.ranges)


@dataclass(frozen=True, slots=True)
class All(Match):
    """Several matches, which one option may stand for."""

    inner: tuple[Match, ...]

    def holds(self, flow: Flow) -> bool:
        return all(match.holds(flow) for match in self.inner)


@dataclass(frozen=True, slots=True)
class FromPorts(Match):
    """Source ports. A client's is known only for a segment that says it."""

    place: ArtifactLine
    ports: tuple[int, int]

    def holds(self, flow: Flow) -> bool:
        if flow.segment is None:
            raise UnknownRule(self.place, "asks for the source port, which a trace does not know")
        return self.ports[0] <= flow.segment.source_port <= self.ports[1]


@dataclass(frozen=True, slots=True)
class TcpFlags(Match):
    """Exactly these of the examined flags are set. A packet that opens a connection has only SYN."""

    looked_at: frozenset[str]
    set_ones: frozenset[str]

    def holds(self, flow: Flow) -> bool:
        flags = frozenset({"SYN"}) if flow.segment is None else flow.segment.flags
        return flags & self.looked_at == self.set_ones


@dataclass(frozen=True, slots=True)
class ByIpvs(Match):
    """IPVS has forwarded the packet (``skb->ipvs_property``)."""

    def holds(self, flow: Flow) -> bool:
        return flow.by_ipvs is not None


@dataclass(frozen=True, slots=True)
class CtState(Match):
    """``--ctstate``, ``--state``. SNAT and DNAT match only translations that changed something (xt_conntrack.c)."""

    states: frozenset[str]

    def holds(self, flow: Flow) -> bool:
        if not flow.tracked:
            return ("INVALID" if flow.by_ipvs is None else "UNTRACKED") in self.states
        own = {"ESTABLISHED" if flow.binding else "NEW"}
        own |= {"DNAT"} if flow.translated else set()
        own |= {"SNAT"} if flow.masqueraded else set()
        return not own.isdisjoint(self.states)


@dataclass(frozen=True, slots=True)
class CtOriginal(Match):
    """The destination that the connection was opened to."""

    network: ir.Network | None
    ports: tuple[int, int] | None

    def holds(self, flow: Flow) -> bool:
        if not flow.tracked:
            return False
        if self.network is not None and flow.packet.destination not in self.network:
            return False
        return self.ports is None or self.ports[0] <= flow.packet.port <= self.ports[1]


@dataclass(frozen=True, slots=True)
class AddressType(Match):
    """``-m addrtype``: LOCAL and other types, by the host's addresses."""

    place: ArtifactLine
    host: Host
    type: str
    source: bool

    def holds(self, flow: Flow) -> bool:
        return self.host.address_type(flow.sender(self.place) if self.source else flow.destination) == self.type


@dataclass(frozen=True, slots=True)
class Mark(Match):
    """``-m mark``: the packet's mark."""

    value: int
    mask: int

    def holds(self, flow: Flow) -> bool:
        return flow.mark & self.mask == self.value


@dataclass(frozen=True, slots=True)
class CtMark(Match):
    """``-m connmark``: the connection's mark. It does not match where there is no connection (xt_connmark.c)."""

    value: int
    mask: int

    def holds(self, flow: Flow) -> bool:
        return flow.tracked and flow.ct_mark & self.mask == self.value


@dataclass(frozen=True, slots=True)
class InSet(Match):
    """``-m set``: whether the packet is in an ipset."""

    place: ArtifactLine
    ipset: IpSet
    sides: tuple[str, ...]
    _read: Callable[[Flow], tuple[int, ...] | None] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_read", self.ipset.reader(self.sides, self.place))

    def holds(self, flow: Flow) -> bool:
        return self.ipset.holds(self._read(flow))


@dataclass(frozen=True, slots=True)
class Random(Match):
    """A new number of 31 bits is below a bound (xt_statistic.c)."""

    place: ArtifactLine
    share: Fraction

    def holds(self, flow: Flow) -> bool:
        flow.draws.add((Draw.RANDOM, self.place))
        return flow.chance.happens(self.share)


@dataclass(frozen=True, slots=True)
class Nth(Match):
    """One in so many packets that reach the rule (xt_statistic.c)."""

    place: ArtifactLine
    every: int
    first: int  # which packet matches first, counted from 0

    def holds(self, flow: Flow) -> bool:
        flow.draws.add((Draw.TURN, self.place))
        counters = flow.memory.counters
        before = counters.get(self.place, self.every - 1 - self.first)
        after = 0 if before == self.every - 1 else before + 1
        counters[self.place] = after
        return after == 0


@dataclass(frozen=True, slots=True)
class Cluster(Match):
    """The client's hash is in one of some buckets out of ``total`` (xt_cluster.c)."""

    place: ArtifactLine
    total: int
    buckets: int  # one bit for each bucket
    seed: int

    def holds(self, flow: Flow) -> bool:
        if not flow.tracked:
            return False
        flow.draws.add((Draw.CLIENT, self.place))
        key: Hashable = ("cluster", self.seed, flow.packet.source)
        cuts = [Fraction(bucket, self.total) for bucket in range(self.total + 1)]
        return bool(self.buckets >> flow.chance.segment(cuts, key) & 1)


@dataclass(frozen=True, slots=True)
class Recent(Match):
    """A list of addresses with the time when each was last seen (xt_recent.c)."""

    place: ArtifactLine
    verb: str  # "set", "rcheck", "update", "remove"
    list: str
    prefix: int
    source: bool
    seconds: int | None

    def holds(self, flow: Flow) -> bool:
        address = flow.sender(self.place) if self.source else flow.destination
        cut = address.max_prefixlen - self.prefix
        owner, key = ("recent", self.list, flow.version), int(address) >> cut << cut
        if self.verb == "set":
            flow.remember(owner, key)
            return True
        found = flow.recall(owner, key, self.seconds) is not None
        if found and self.verb == "update":
            flow.remember(owner, key)
        elif found and self.verb == "remove":
            flow.forget(owner, key)
        return found


@dataclass(frozen=True, slots=True)
class Bytecode(Match):
    """``-m bpf``: a classic BPF program over the packet's bytes."""

    place: ArtifactLine
    program: tuple[bpf.Instruction, ...]

    def holds(self, flow: Flow) -> bool:
        try:
            return bpf.run(self.program, _bytes(flow, self.place)) != 0
        except bpf.UnknownByte as error:
            raise UnknownRule(self.place, f"the bytecode asks for {error}, which a trace does not know") from None


def _bytes(flow: Flow, place: ArtifactLine) -> Sequence[int | None]:
    """Return the packet from its network header to the destination port, as far as it is known (RFC 791, RFC 8200)."""
    source, destination = flow.sender(place).packed, flow.destination.packed
    if flow.version == 4:
        header: list[int | None] = [0x45, *[None] * 8, flow.protocol, None, None, *source, *destination]
    else:
        header = [0x60, *[None] * 5, flow.protocol, None, *source, *destination]
    return [*header, None, None, *flow.port.to_bytes(2, "big"), *[None] * 16]


def parse_bytecode(text: str, place: ArtifactLine) -> tuple[bpf.Instruction, ...]:
    """Return the instructions of ``6,32 0 0 12,…``: their number, then each of them. Errors: LoadError, UnknownRule."""
    count, *steps = text.split(",")
    try:
        program = [tuple(map(int, step.split())) for step in steps]
        if int(count) != len(program):
            raise LoadError(place, f"{count} instructions are announced, and there are {len(program)}")
        checked = [(code, jt, jf, k) for code, jt, jf, k in program]
        bpf.check(checked)
    except ValueError:
        raise LoadError(place, f"`{text}` is no bytecode") from None
    except bpf.BadBytecode as error:
        raise LoadError(place, f"the bytecode is refused: {error}") from None
    return tuple(checked)


def mark(text: str) -> tuple[int, int]:
    """Return value and mask of VALUE or VALUE/MASK. Errors: ValueError."""
    value, found, mask = text.partition("/")
    return values.number(value), values.number(mask) if found else 0xFFFFFFFF
