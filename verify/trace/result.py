"""What becomes of a packet: every way that it may take, with its share, and the outcome of them all."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import cached_property, partial

from svcc.compiler import ir
from svcc.verify.packet import EndpointShare, Forwarded, Outcome, Packet, Refusal
from svcc.verify.trace.chance import Chance, explore
from svcc.verify.trace.faults import ArtifactLine, UnknownRule
from svcc.verify.trace.flow import Binding, Draw, Flow, Memory, Segment, Step
from svcc.verify.trace.kernel import Kernel

#: More packets than this until the counters are back where they were: nobody reads that.
_PERIOD = 100_000
_HALF = Fraction(1, 2)


@dataclass(frozen=True, slots=True)
class End:
    """Where a way ends."""

    refusal: Refusal | None  # None: at an endpoint
    address: ir.Address | None = None
    port: int = 0
    masquerade: bool = False
    most: int = 0  # connections, at which the endpoint gets no new ones; 0: there is no limit
    sources: tuple[ir.Address, ...] = ()  # see :attr:`svcc.verify.packet.EndpointShare.sources`
    answer: str = ""  # of a rejection


@dataclass(frozen=True, slots=True)
class Way:
    """What becomes of a packet, as far as chance decides it in one way."""

    share: Fraction  # of the connections that clients open
    steps: tuple[Step, ...]
    end: End
    mark: int  # of the packet, at the end
    ct_mark: int  # of its connection, likewise
    destination: ir.Address  # of the packet, likewise: IPVS may send it to an endpoint as it is
    draws: frozenset[tuple[Draw, ArtifactLine]]  # how chance decided, and which lines asked it
    memory: Memory  # what the node remembers afterwards
    limits: frozenset[int]  # seconds for which something was remembered
    recalled: frozenset[int]  # seconds for which what decided here is remembered
    one_packet: bool  # the next packet of the client is a new one


@dataclass(frozen=True)
class Trace:
    """All that may become of one packet."""

    packet: Packet
    ways: tuple[Way, ...]  # shares sum to 1
    _run: _Run = field(repr=False, compare=False)

    @cached_property
    def affinity(self) -> int | None:
        """Seconds for which a client keeps its endpoint. Errors: TraceError."""
        return self._run.affinity(self.ways) if self._run.binding is None else None

    @property
    def ends(self) -> dict[End, Fraction]:
        """Where the packet may end, with the shares."""
        ends: dict[End, Fraction] = {}
        for way in self.ways:
            ends[way.end] = ends.get(way.end, Fraction(0)) + way.share
        return ends

    @property
    def outcome(self) -> Outcome | None:
        """The outcome; None where some connections are refused and others are not. Errors: TraceError."""
        if len(self.ways) == 1 and (refusal := self.ways[0].end.refusal) is not None:
            return refusal  # most packets are of this kind
        ends = self.ends
        if len(ends) == 1:
            (end,) = ends
            if end.refusal is not None:
                return end.refusal
        choices = [
            EndpointShare(end.address, end.port, share, end.masquerade, end.most, end.sources)
            for end, share in ends.items()
            if end.address is not None
        ]
        if len(choices) < len(ends):
            return None
        one_packet = any(way.one_packet for way in self.ways)
        return Forwarded(tuple(sorted(choices, key=_by_place)), self.affinity, one_packet)


def _by_place(choice: EndpointShare) -> tuple[int, int, bool]:
    return int(choice.address), choice.port, choice.masquerade


def trace(
    kernel: Kernel,
    packet: Packet,
    memory: Memory | None = None,
    binding: Binding | None = None,
    mark: int = 0,
    ct_mark: int = 0,
    segment: Segment | None = None,
) -> Trace:
    """Every way of a packet through a node.

    ``memory`` is what earlier packets left (a way's ``memory``); without it the client is new. ``binding`` says that
    the packet belongs to a connection that exists, ``segment`` that connection tracking calls it
    INVALID. ``mark`` is the packet's mark when it enters, ``ct_mark`` its connection's.

    Errors: TraceError.
    """
    run = _Run(kernel, packet, binding, mark, ct_mark, segment)
    return Trace(packet, tuple(run.ways(memory or Memory())), run)


@dataclass(frozen=True, slots=True)
class _Run:
    kernel: Kernel
    packet: Packet
    binding: Binding | None
    mark: int
    ct_mark: int
    segment: Segment | None

    def ways(self, memory: Memory) -> Iterator[Way]:
        """All ways; where rules count packets, those of one full period of their counters."""
        rounds: list[list[Way]] = []
        seen: dict[tuple[tuple[ArtifactLine, int], ...], int] = {}
        state: tuple[tuple[ArtifactLine, int], ...] = tuple(sorted(memory.counters.items()))
        while state not in seen:
            seen[state] = len(rounds)
            ways = [way for _, way in explore(partial(self._way, memory))]
            if len(ways) == 1 and ways[0].memory.counters == memory.counters:
                yield ways[0]  # nothing was drawn or counted: most packets are of this kind
                return
            rounds.append(ways)
            counters = ways[0].memory.counters
            for place in {place for way in ways for place in way.memory.counters}:
                if any(way.memory.counters.get(place) != counters.get(place) for way in ways):
                    raise UnknownRule(place, "counts packets, but chance decides which ones come here")
                if len(rounds) > _PERIOD:
                    raise UnknownRule(place, f"more than {_PERIOD} packets pass until the counters come round")
            memory = Memory(memory.now, memory.entries, counters)
            state = tuple(sorted(counters.items()))
        yield from _merged(rounds[seen[state] :])

    def _way(self, memory: Memory, chance: Chance) -> Way:
        packet = self.packet
        flow = Flow(
            packet,
            chance,
            memory.copy(),
            self.kernel.host.own,
            self.binding,
            segment=self.segment,
            source=packet.source,
            destination=packet.destination,
            port=packet.port,
            mark=self.mark,
            ct_mark=self.ct_mark,
        )
        end = _end(flow, self.kernel.walk(flow))
        limits, recalled = frozenset(flow.limits), frozenset(flow.recalled)
        draws = frozenset(flow.draws)
        steps, one_packet = tuple(flow.steps), flow.one_packet
        marks = flow.mark, flow.ct_mark
        return Way(chance.share, steps, end, *marks, flow.destination, draws, flow.memory, limits, recalled, one_packet)

    # ---- affinity

    def affinity(self, ways: Sequence[Way]) -> int | None:
        """The longest time for which what is remembered leads every client back to its endpoint."""
        served = [way for way in ways if way.end.refusal is None]
        limits = sorted({limit for way in served for limit in way.limits}, reverse=True)
        return next((t for t in limits if all(self._keeps(way, t) for way in served)), None)

    def _keeps(self, way: Way, seconds: int) -> bool:
        """Whether the client of a way comes back to its endpoint for so long after each connection, and no longer."""
        memory = way.memory
        for _ in range(2):
            memory = _later(memory, seconds - _HALF)
            ways = list(self.ways(memory))
            if any(again.end != way.end or seconds not in again.recalled for again in ways):
                return False
            memory = ways[0].memory
        return seconds not in self._way(_later(memory, seconds + _HALF), Chance()).recalled


def _end(flow: Flow, refusal: Refusal | None) -> End:
    if refusal is not None:
        return End(refusal, answer=flow.answer)
    if flow.by_ipvs is not None or flow.sent or flow.masqueraded:
        return End(None, flow.by_ipvs or flow.destination, flow.port, flow.masqueraded, flow.most, flow.sources)
    return End(Refusal.UNTOUCHED)


def _later(memory: Memory, seconds: Fraction) -> Memory:
    return Memory(memory.now + seconds, memory.entries, memory.counters)


def _merged(rounds: Sequence[Sequence[Way]]) -> Iterator[Way]:
    """The ways of several packets as those of any one of them; what they have in common is said once."""
    merged: dict[tuple[tuple[Step, ...], End], list[Way]] = {}
    for way in (way for ways in rounds for way in ways):
        merged.setdefault((way.steps, way.end), []).append(way)
    for alike in merged.values():
        yield replace(alike[0], share=sum((way.share for way in alike), Fraction(0)) / len(rounds))
