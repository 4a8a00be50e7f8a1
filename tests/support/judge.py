"""Tell changed artifacts (mutants of the golden files, above all) from the original ones, by packets."""

from __future__ import annotations

import re
from collections import defaultdict, deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import partial
from heapq import nlargest
from typing import Any, TypeAlias

from support import neighbours
from support.equivalence import Case
from support.kernel_shape import Met, shape, tellers, watch
from support.mutants import Mutant
from support.packets import STRANGERS, every_port
from svcc.compiler import ir
from svcc.targets.interface import Bundle
from svcc.targets.ipvs.virtual import marks_alike
from svcc.verify.packet import Forwarded, Packet, Vantage
from svcc.verify.trace import ArtifactLine, Binding, Kernel, TraceError, load, trace

#: How many probes of each kind are tried before all others: those that have most to do with a mutant's line.
_LIKELY = 12
_EVERY_BIT = 0xFFFF_FFFF

#: A bundle on a node.
Setting: TypeAlias = Any


@dataclass(frozen=True, slots=True, eq=False)
class Probe:
    """A question about a node: whether it treats a packet other than it should."""

    kind: str
    setting: Setting
    differs: Callable[[Kernel], bool]
    packet: Packet | None = None  # None for a question about several packets


class Judge:
    """A judge of mutants. It first asks the probes that are likely to tell one: those that its line is about."""

    def __init__(self, case: Case, bundle: Bundle) -> None:
        self._case = case
        self._stale = neighbours.stale(bundle)
        self._packets = list(dict.fromkeys(every_port(case.program, case.node)))
        self._endpoints = tuple(dict.fromkeys(e.address for s in case.program.services for e in s.endpoints))
        self._probes = [*self._by_reference(), *self._by_comparison()]
        self._kernel = self._plain(bundle)
        self._shape = shape(self._kernel)
        self.complaints: list[Probe] = []  # probes that the bundle itself fails: there should be none
        self._met = self._meetings(bundle)
        self._about = self._index()
        self._recent: deque[Probe] = deque(maxlen=3)

    # ---- the nodes that are asked

    def _plain(self, bundle: Bundle) -> Kernel:
        return self._case.load(self._stale, bundle)

    def _with_vips(self, bundle: Bundle) -> Kernel:
        return self._case.load_with_vips(bundle)

    def _with_endpoints(self, bundle: Bundle) -> Kernel:
        """Return the node where every second endpoint is on the node itself."""
        return load(bundle, (*self._case.own, *self._endpoints[::2]))

    def _crowded(self, bundle: Bundle) -> Kernel:
        """Return the node among other people's rules, where some vips, all shared addresses and the other endpoints are
        the node's own.

        The shared ones are among these because others' rules get what no service takes at such an address.
        """
        case = self._case
        shared = [address for service in case.program.services for address in service.shared]
        own = (*case.own, *dict.fromkeys([*case.vips[::2], *shared]), *self._endpoints[1::2])
        return load(neighbours.around(bundle, case.program.cluster.mark), own)

    def _without_device(self, bundle: Bundle) -> Kernel:
        """Return the node without the device that holds service addresses: somebody removed it, or it does not exist
        yet."""
        artifacts = tuple(replace(one, text="") if one.part.name == "ip" else one for one in bundle.artifacts)
        return load(replace(bundle, artifacts=artifacts), self._case.own)

    # ---- the probes

    def _by_reference(self) -> Iterator[Probe]:
        """Yield probes that compare with the program's meaning itself."""
        case, packets = self._case, self._packets
        complaints = [(self._plain, case.fares, packets), (self._plain, case.goes_on, packets[::3])]
        complaints += [
            (self._with_vips, case.fares_the_same, [*packets[::2], *self._at_node_ports()]),
            (self._with_vips, case.goes_on, packets[::5]),
        ]
        complaints += [(self._plain, case.is_answered, packets)] if case.by_ipvs else []
        announced = {address for one in case.program.services if one.announce for address in one.addresses}
        if announced and case.target.translates:
            complaints += [(self._without_device, case.fares, packets), (self._without_device, case.goes_on, packets)]
        yield Probe("announced", self._plain, lambda kernel: not announced <= {*kernel.host.addresses})
        for setting, complaint, some in complaints:
            for packet in some:
                kind = f"{setting.__name__} {complaint.__name__}"
                yield Probe(kind, setting, partial(_complains, complaint, packet), packet)
        yield Probe("turns", self._plain, lambda kernel: any(case.turns(kernel, packets)))
        yield Probe("companions", self._plain, lambda kernel: any(case.companions(kernel, packets)))
        yield Probe("neighbours", self._plain, lambda kernel: any(case.neighbours(kernel, packets[::5])))
        yield Probe("strangers", self._plain, lambda kernel: any(case.strangers(kernel, packets[::5])))

    def _at_node_ports(self) -> list[Packet]:
        """Return packets to service addresses at ports that are node ports of services: none is served there."""
        case = self._case
        node_ports = [port.nodeport for service in case.program.services for port in service.ports if port.nodeport]
        return [p for p in self._packets if p.destination in case.vips and any(p.port in ports for ports in node_ports)]

    def _by_comparison(self) -> Iterator[Probe]:
        """Yield probes that compare with the original bundle: among others' rules, with endpoints on the node, for
        marked packets."""
        packets, lands = self._packets, list(_to_themselves(self._case.program))
        itself = [replace(packet, vantage=Vantage.NODE) for packet in packets if packet.source in self._endpoints[::2]]
        foreign = self._case.foreign_mark
        asked = [(self._crowded, packets, 0, False), (self._plain, packets[1::2], _EVERY_BIT, False)]
        asked += [(self._plain, lands, foreign, False), (self._with_endpoints, [*packets, *itself], foreign, False)]
        asked += [(self._with_vips, packets[::5], _EVERY_BIT, True)]
        if self._case.by_ipvs:
            asked += [(self._plain, list(_from_vips(packets, self._case.vips)), foreign, False)]
        if marked := [packet for packet in packets if self._case.goes_by_mark(packet)]:
            sent = [packet for packet in marked if packet.vantage is Vantage.NODE]
            alike, _ = marks_alike(self._case.program.cluster.mark)
            asked += [(self._with_vips, sent, _EVERY_BIT, True), (self._plain, packets[::5], alike, False)]
        for setting, some, mark, goes_on in asked:
            kind = f"{setting.__name__} {mark} {goes_on}"
            for packet in some:
                yield Probe(kind, setting, _Fate(packet, mark, goes_on), packet)

    # ---- asking

    @property
    def _settings(self) -> tuple[Setting, ...]:
        return self._plain, self._with_vips, self._with_endpoints, self._crowded, self._without_device

    def catches(self, mutant: Mutant, bundle: Bundle) -> bool:
        """Whether a mutant does not load, or a probe tells it from the original."""
        try:
            kernels = {self._plain: self._plain(bundle)}
            scores = self._scores(mutant)
            if self._tell(kernels, bundle, [*self._recent, *self._likely(scores)]):
                return True
            further = sorted(self._further(kernels, bundle), key=lambda probe: -scores.get(probe, 0))
            return self._tell(kernels, bundle, further)
        except TraceError:
            return True

    def _tell(self, kernels: dict[Setting, Kernel], bundle: Bundle, probes: Iterable[Probe]) -> bool:
        for probe in probes:
            if probe.setting not in kernels:
                kernels[probe.setting] = probe.setting(bundle)
            if probe.differs(kernels[probe.setting]):
                if probe.packet:
                    self._recent.append(probe)
                return True
        return False

    # ---- which probes may tell

    def _further(self, kernels: dict[Setting, Kernel], bundle: Bundle) -> Iterable[Probe]:
        """Return all probes that reach what has changed. Errors: TraceError where the mutant does not load on every
        node."""
        kernels |= {setting: setting(bundle) for setting in self._settings if setting not in kernels}
        now = shape(kernels[self._plain])
        if now == self._shape:
            return []
        by = tellers(self._kernel, self._shape, now)
        return self._probes if by is None else dict.fromkeys(probe for one in by for probe in self._met.get(one, ()))

    def _meetings(self, bundle: Bundle) -> dict[Met | ir.Address, list[Probe]]:
        """Return probes by the rules that their packets meet, and by the packets' destinations."""
        found: defaultdict[Met | ir.Address, list[Probe]] = defaultdict(list)
        everywhere = {packet.destination for packet in self._packets}
        for setting in self._settings:
            kernel = setting(bundle)
            met = watch(kernel)
            for probe in self._probes:
                if probe.setting == setting:
                    met.clear()
                    if probe.differs(kernel):
                        self.complaints.append(probe)
                    sent = {probe.packet.destination} if probe.packet else everywhere
                    for one in (*met.values(), *sent):
                        found[one].append(probe)
        return found

    def _index(self) -> dict[object, list[Probe]]:
        """Return probes by the addresses and ports that they concern, and by the lines that their packets match."""
        index: defaultdict[object, list[Probe]] = defaultdict(list)
        words: dict[Packet, set[object]] = {}
        for probe in self._probes:
            if probe.packet is not None:
                if probe.packet not in words:
                    words[probe.packet] = self._words(probe.packet)
                for word in words[probe.packet]:
                    index[word].append(probe)
        return index

    def _words(self, packet: Packet) -> set[object]:
        found: set[object] = {str(packet.source), str(packet.destination), str(packet.port), packet.protocol.value}
        expected = self._case.expected(packet)
        if isinstance(expected, Forwarded):
            found |= {str(word) for choice in expected.choices for word in (choice.address, choice.port)}
        traced = trace(self._kernel, packet)
        return found | {step.place for way in traced.ways for step in way.steps if step.place}

    def _likely(self, scores: Mapping[Probe, float]) -> list[Probe]:
        """Return the probes of each kind that have most to do with a mutant's line; those of the plain node first."""
        kinds: defaultdict[str, list[Probe]] = defaultdict(list)
        for probe in scores:
            kinds[probe.kind].append(probe)
        likely = [probe for some in kinds.values() for probe in nlargest(_LIKELY, some, key=scores.__getitem__)]
        return sorted(likely, key=lambda probe: probe.setting != self._plain)  # the plain node is loaded already

    def _scores(self, mutant: Mutant) -> dict[Probe, float]:
        """Return how much each probe has to do with a mutant's line. Words that many probes have count less."""
        scores: defaultdict[Probe, float] = defaultdict(float)
        for word in {*_WORD.findall(mutant.focus), ArtifactLine(mutant.part, mutant.number)}:
            about = self._about.get(word, ())
            for probe in about:
                scores[probe] += 1 / len(about)
        return scores


#: Addresses, numbers and protocols.
_WORD = re.compile(r"[0-9a-f]*:[0-9a-f:]+[0-9a-f]|[0-9.]+[0-9]|[0-9]|tcp|udp|sctp")


def _complains(complaint: Callable[[Kernel, Packet], str | None], packet: Packet, kernel: Kernel) -> bool:
    return complaint(kernel, packet) is not None


@dataclass(slots=True, eq=False)
class _Fate:
    """Whether a packet fares other than on the first node that is asked, which is that of the original bundle.

    The packet and its connection have a mark, since others' rules may match both later. ``goes_on``: its connection
    existed before, and nobody translates it.
    """

    packet: Packet
    mark: int
    goes_on: bool
    first: Mapping[object, Fraction] | None = None

    def __call__(self, kernel: Kernel) -> bool:
        packet = self.packet
        binding = Binding(packet.destination, packet.port, masquerade=False) if self.goes_on else None
        ways: defaultdict[object, Fraction] = defaultdict(Fraction)
        for way in trace(kernel, packet, binding=binding, mark=self.mark, ct_mark=self.mark).ways:
            ways[way.end, way.mark, way.ct_mark] += way.share
        if self.first is None:
            self.first = ways
        return ways != self.first


def _from_vips(packets: Iterable[Packet], vips: Collection[ir.Address]) -> Iterable[Packet]:
    """Yield packets that the node sends from its own vips, to these vips and elsewhere."""
    found = dict.fromkeys(replace(p, source=p.destination, vantage=Vantage.NODE) for p in packets)
    answered = [packet for packet in found if packet.destination in vips]
    strangers = {address.version: address for address in STRANGERS}
    yield from answered
    yield from (replace(packet, destination=strangers[packet.source.version]) for packet in answered)


def _to_themselves(program: ir.Program) -> Iterable[Packet]:
    """Return packets from endpoints to their own address, which nobody here translates."""
    return dict.fromkeys(
        Packet(endpoint.address, endpoint.address, port.protocol, endpoint.port or port.target, Vantage.POD)
        for service in program.services
        for port in service.ports
        for endpoint in service.endpoints
    )
