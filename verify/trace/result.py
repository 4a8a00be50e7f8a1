"""What happens to a packet: every way that it may take, with its share, and the outcome of all ways together."""

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

#: The most packets that are traced until the counters are back where they started. Nobody reads more ways.
_PERIOD = 100_000
_HALF = Fraction(1, 2)


@dataclass(frozen=True, slots=True)
class End:
    """Where a way ends."""

    refusal: Refusal | None  # None: it ends at an endpoint
    address: ir.Address | None = None
    port: int = 0
    masquerade: bool = False
    most: int = 0  # the number of connections at which the endpoint gets no new ones; 0: there is no limit
    sources: tuple[ir.Address, ...] = ()  # see :attr:`svcc.verify.packet.EndpointShare.sources`
    answer: str = ""  # how a rejection is answered


@dataclass(frozen=True, slots=True)
class Way:
    """What happens to a packet where chance decides in one particular way."""

    share: Fraction  # of the connections that clients open
    steps: tuple[Step, ...]
    end: End
    mark: int  # the packet's mark at the end
    ct_mark: int  # its connection's mark at the end
    destination: ir.Address  # the packet's destination at the end: IPVS may send it to an endpoint unchanged
    draws: frozenset[tuple[Draw, ArtifactLine]]  # how chance decided, and for which lines
    memory: Memory  # what the node remembers afterwards
    limits: frozenset[int]  # for how many seconds something was remembered
    recalled: frozenset[int]  # the timeouts, in seconds, of the remembered entries that decided
    one_packet: bool  # the client's next packet chooses anew


@dataclass(frozen=True)
class Trace:
    """All that may happen to one packet."""

    packet: Packet
    ways: tuple[Way, ...]  # shares sum to 1
    _run: _Run = field(repr=False, compare=False)

    @cached_property
    def affinity(self) -> int | None:
        """The seconds for which a client keeps its endpoint, or None. Errors: TraceError."""
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
        """The outcome. None where some connections are refused and others are not. Errors: TraceError."""
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
    """Return every way of a packet through a node.

    ``memory`` is what earlier packets left (a way's ``memory``); without it the client is new. ``binding`` says that
    the packet belongs to a connection that exists, ``segment`` that connection tracking calls it INVALID. ``mark`` is
    the packet's mark when it enters, ``ct_mark`` its connection's.

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
        """Yield all ways. Where rules count packets, these are the ways of one full period of their counters."""
        rounds: list[list[Way]] = []
        seen: dict[tuple[tuple[ArtifactLine, int], ...], int] = {}
        state: tuple[tuple[ArtifactLine, int], ...] = tuple(sorted(memory.counters.items()))
        while state not in seen:
            seen[state] = len(rounds)
            ways = [way for _, way in explore(partial(self._way, memory))]
            if len(ways) == 1 and ways[0].memory.counters == memory.counters:
                yield ways[0]  # no draws and no counters, as for most packets
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
        """Return the longest time for which remembered entries lead every client back to its endpoint."""
        served = [way for way in ways if way.end.refusal is None]
        limits = sorted({limit for way in served for limit in way.limits}, reverse=True)
        return next((t for t in limits if all(self._keeps(way, t) for way in served)), None)

    def _keeps(self, way: Way, seconds: int) -> bool:
        """Whether the client of a way returns to its endpoint for this long after each connection, and no longer."""
        memory = way.memory
        for _ in range(2):
            memory = _later(memory, seconds - _HALF)
            ways = list(self.ways(memory))
            if any(again.end != way.end or seconds not in again.recalled for again in ways):
                return False
            memory = ways[0].memory
        return seconds not in self._way(_later(memory, seconds + _HALF), Chance()).recalled


_UNTOUCHED = End(Refusal.UNTOUCHED)


def _end(flow: Flow, refusal: Refusal | None) -> End:
    if refusal is not None:
        return End(refusal, answer=flow.answer)
    if flow.by_ipvs is not None or flow.sent or flow.masqueraded:
        return End(None, flow.by_ipvs or flow.destination, flow.port, flow.masqueraded, flow.most, flow.sources)
    return _UNTOUCHED


def _later(memory: Memory, seconds: Fraction) -> Memory:
    return Memory(memory.now + seconds, memory.entries, memory.counters)


def _merged(rounds: Sequence[Sequence[Way]]) -> Iterator[Way]:
    """Yield the ways of several packets as the ways of any one of them. Common ways are combined."""
    merged: dict[tuple[tuple[Step, ...], End], list[Way]] = {}
    for way in (way for ways in rounds for way in ways):
        merged.setdefault((way.steps, way.end), []).append(way)
    for alike in merged.values():
        yield replace(alike[0], share=sum((way.share for way in alike), Fraction(0)) / len(rounds))
