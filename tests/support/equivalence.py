"""Compares what a target's artifacts do with packets to what the reference says, and tells differences to people."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import cached_property
from ipaddress import ip_network
from typing import TypeAlias

from support.dsl_printer import program_text
from support.packets import packets
from svcc.compiler import ir
from svcc.compiler.frontends import port_label
from svcc.targets.interface import Bundle, Target
from svcc.targets.ipvs.virtual import address_text, by_mark, is_large, range_mark, service_mark
from svcc.verify.packet import EndpointShare, Forwarded, Outcome, Packet, Refusal, Vantage
from svcc.verify.reference import keeps, outcome
from svcc.verify.trace import ArtifactLine, Binding, Draw, Kernel, Trace, load, trace

#: iptables stores a probability as a number of 31 bits (xt_statistic). So a cascade of rules may be wrong by this much
#: for each rule.
STEP = Fraction(1, 1 << 31)
_DRAWS = {
    ir.Scheduler.RANDOM: Draw.RANDOM,
    ir.Scheduler.RR: Draw.TURN,
    ir.Scheduler.WRR: Draw.TURN,
    ir.Scheduler.SH: Draw.CLIENT,
    ir.Scheduler.MH: Draw.CLIENT,
}
#: How IPVS sends connections on, by the service's ``forward``.
_METHODS = {ir.Forward.MASQUERADE: "masq", ir.Forward.DIRECT: "direct", ir.Forward.TUNNEL: "tunnel"}
_ANSWERS = {4: "icmp-port-unreachable", 6: "icmp6-port-unreachable"}


#: A service, and one of its ports.
Served: TypeAlias = tuple[ir.Service, ir.Port]


@dataclass(frozen=True)
class Case:
    """A program on a node, and how a target's artifacts must treat packets there.

    The methods from ``fares`` on follow packets through a node that has the artifacts loaded. Each returns None where
    all is as it should be, or a text that says what is not, or yields such texts.
    """

    target: Target
    program: ir.Program
    node: ir.Node | None
    _expected: dict[Packet, Outcome] = field(default_factory=dict, repr=False)

    @cached_property
    def own(self) -> tuple[ir.Address, ...]:
        return self.node.addresses if self.node else ()

    @cached_property
    def vips(self) -> tuple[ir.Address, ...]:
        services = self.program.services
        return tuple(dict.fromkeys(a for s in services for a in (*s.vips, *s.external_ips)))

    @cached_property
    def foreign_mark(self) -> int:
        """A mark that others set on packets: every bit except the program's own."""
        return 0xFFFF_FFFF & ~self.program.cluster.mark

    @cached_property
    def by_ipvs(self) -> bool:
        return has_vip_device(self.target)

    def render(self) -> Bundle:
        return self.target.render(self.program, self.node)

    def load(self, *bundles: Bundle) -> Kernel:
        """Load bundles on a node that has its own addresses, and the service addresses that others put on it."""
        return load(bundles, (*self.own, *self.program.held_by_others))

    def load_with_vips(self, *bundles: Bundle) -> Kernel:
        """Load bundles on a node that also has all vips: on a loopback device, or as ipvs left them behind."""
        return load(bundles, (*self.own, *self.vips))

    def expected(self, packet: Packet) -> Outcome:
        found = self._expected.get(packet)
        if found is None:
            found = self._expected[packet] = outcome(self.program, self.node, packet)
        return found

    def port(self, packet: Packet) -> Served | None:
        """Return the service that a packet is for, and the port. Return None where there is none."""
        at_node = packet.destination in self.own
        for service in self.program.services:
            here = packet.destination in self._listening[service.name]
            for port in service.ports if here or at_node else ():
                ports = port.ports if here else port.nodeport
                if ports and packet.port in ports and port.protocol is packet.protocol:
                    return service, port
        return None

    @cached_property
    def _listening(self) -> Mapping[str, frozenset[ir.Address]]:
        """The addresses of each service, by its name."""
        return {s.name: frozenset((*s.vips, *s.external_ips)) for s in self.program.services}

    def _same(self, packet: Packet, one: Outcome | None, other: Outcome | None) -> bool:
        """Whether two outcomes are the same, up to the kernel's precision (``STEP``).

        Packets that the node itself sends to another machine have the node's address as their source, so it does not
        count whether they are masqueraded. It counts on the node, which may have several addresses. (Under IPVS it does
        not: the node has all vips, and they are rewritten.)
        """
        if not isinstance(one, Forwarded) or not isinstance(other, Forwarded):
            return one is other
        if (one.affinity, one.one_packet) != (other.affinity, other.one_packet):
            return False
        if len(one.choices) != len(other.choices):
            return False
        allowance = STEP * len(one.choices)
        return all(self._alike(packet, a, b, allowance) for a, b in zip(one.choices, other.choices, strict=True))

    def _alike(self, packet: Packet, one: EndpointShare, other: EndpointShare, allowance: Fraction) -> bool:
        if (one.address, one.port) != (other.address, other.port) or abs(one.share - other.share) > allowance:
            return False
        if one.masquerade != other.masquerade:
            return packet.vantage is Vantage.NODE and (self.by_ipvs or one.address not in self.own)
        return one.sources == other.sources

    # ---- what one packet shows

    def fares(self, kernel: Kernel, packet: Packet) -> str | None:
        """Check that a packet fares as the reference says: its outcome, destination, marks, answer and scheduler."""
        traced = trace(kernel, packet, mark=self.foreign_mark, ct_mark=self.foreign_mark)
        expected = self.expected(packet)
        if not self._same(packet, traced.outcome, expected):
            return self.story("another outcome", traced)
        found = self.port(packet)
        marks = self._marks_left(packet, found)
        for way in traced.ways:
            ended = way.end.refusal in (Refusal.REJECT, Refusal.DROP) or way.end.address in self.own
            if way.end.refusal is None and way.destination != _carried(packet, way.end.address, found):
                return self.story("sent to another address", traced)
            if not ended and way.mark not in marks:
                return self.story("the packet leaves with another mark", traced)
            if not ended and way.ct_mark != self.foreign_mark:
                return self.story("its connection has another mark", traced)
        if expected is Refusal.REJECT and any(way.end.answer not in self._answers(packet) for way in traced.ways):
            return self.story("answered in another way", traced)
        if isinstance(expected, Forwarded) and len(expected.choices) > 1:
            how = _DRAWS.get((found and found[0].scheduler) or self.target.default_scheduler, Draw.OTHER)
            if found and found[0].scheduler_by is ir.HashBy.ADDRESS_PORT:
                how = Draw.CONNECTION
            if {draw for way in traced.ways for draw, _ in way.draws} != {how}:
                return self.story(f"not chosen by {how}", traced)
        return None

    def goes_by_mark(self, packet: Packet) -> bool:
        """Whether IPVS knows a packet by its mark."""
        return self.by_ipvs and self._is_marked(packet, self.port(packet))

    def _is_marked(self, packet: Packet, found: Served | None) -> bool:
        """Whether IPVS knows a packet by a mark. ``found``: the packet's service and port."""
        untouched = self.expected(packet) is Refusal.UNTOUCHED  # at a node port's number, and no address of node ports
        marked = found is not None and (by_mark(found[0]) or is_large(found[1].ports))
        return marked and not untouched

    def _marks_left(self, packet: Packet, found: Served | None) -> set[int]:
        """Return the marks that a packet may have when it leaves. ``found``: its service and port.

        Marks of others stay, except on a packet that IPVS knows by a mark: it leaves without a mark. In a tunnel it
        keeps svcc's mark here, because the trace does not see the rule that clears it inside the outer packet.
        """
        cluster = self.program.cluster
        if found is None or not self.by_ipvs or not self._is_marked(packet, found):
            return {self.foreign_mark}
        service, port = found
        if service.forward is not ir.Forward.TUNNEL:
            return {0}
        if by_mark(service):
            return {service_mark(cluster, service.name)}
        at = address_text(int(packet.destination), packet.destination.version)
        return {range_mark(cluster, service.name, at, port.protocol, port.ports.first)}

    def _answers(self, packet: Packet) -> set[str]:
        unreachable = _ANSWERS[packet.destination.version]
        if packet.protocol is not ir.Protocol.TCP:
            return {unreachable, unreachable.replace("icmp6", "icmpv6")}
        return {"tcp-reset", unreachable} if self.by_ipvs else {"tcp-reset"}  # IPVS itself answers so

    def fares_the_same(self, kernel: Kernel, packet: Packet) -> str | None:
        """Check that a packet has the outcome that the reference says, and nothing else."""
        traced = trace(kernel, packet)
        fares = self._same(packet, traced.outcome, self.expected(packet))
        return None if fares else self.story("another outcome", traced)

    def is_answered(self, kernel: Kernel, packet: Packet) -> str | None:
        """Check that an endpoint can answer a packet that the node sends to a vip on one of its own devices.

        Where the sender names no source, the packet comes from the vip itself. An endpoint on another node could not
        answer it, unless it is masqueraded.
        """
        packet = Packet(packet.destination, packet.destination, packet.protocol, packet.port, Vantage.NODE)
        found = self.port(packet)
        if packet.destination not in self.vips or (found and found[0].forward is not ir.Forward.MASQUERADE):
            return None
        traced = trace(kernel, packet)
        if any(end.address and end.address not in self.own and not end.masquerade for end in traced.ends):
            return self.story("comes from the vip", traced)
        return None

    # ---- what came before a packet

    def goes_on(self, kernel: Kernel, packet: Packet) -> str | None:
        """Check that existing connections go on: to endpoints, draining or not, and those that no rule translated."""
        for binding in self._bindings(packet):
            traced = trace(kernel, packet, binding=binding)
            (way,) = traced.ways
            end = (way.end.address or packet.destination, way.end.port or packet.port)
            wrong = binding.by_ipvs and way.destination != _carried(packet, binding.address, self.port(packet))
            if way.end.refusal not in (None, Refusal.UNTOUCHED) or end != (binding.address, binding.port) or wrong:
                return self.story(f"a connection that exists, {binding},", traced)
        return None

    def _bindings(self, packet: Packet) -> Iterator[Binding]:
        yield Binding(packet.destination, packet.port, masquerade=False)
        found = self.port(packet)
        if found is not None and self.expected(packet) is not Refusal.UNTOUCHED:
            for endpoint, port in self._endpoints(packet, *found):
                for masquerade in (False, True):
                    if self.by_ipvs:
                        yield Binding(endpoint.address, port, masquerade, True, _METHODS[found[0].forward])
                    else:
                        yield Binding(endpoint.address, 4321, masquerade)

    def _endpoints(self, packet: Packet, service: ir.Service, port: ir.Port) -> Iterator[tuple[ir.Endpoint, int]]:
        """Yield the endpoints that a packet's connection may have, draining now or not, each with the port there."""
        by_vip = packet.destination in service.vips
        traffic = service.internal_traffic if by_vip else service.external_traffic
        by_address = packet.destination in (*service.vips, *service.external_ips)
        first = port.ports.first if by_address or port.nodeport is None else port.nodeport.first
        for endpoint in service.endpoints:
            here = traffic is not ir.Traffic.LOCAL or (self.node is not None and endpoint.node == self.node.name)
            if endpoint.address.version == packet.destination.version and here:
                base = port.target if endpoint.port is None else endpoint.port
                yield endpoint, base + packet.port - first

    def strangers(self, kernel: Kernel, packets: Iterable[Packet]) -> Iterator[str]:
        """Yield clients that wrongly get another client's endpoint, or one that they have for another service."""
        several = [p for p in packets if isinstance(e := self.expected(p), Forwarded) and e.affinity]
        for packet in several[:4]:
            for way in trace(kernel, packet).ways[:2]:
                for other in several[:12]:
                    if self._is_stranger(packet, other):
                        traced = trace(kernel, other, way.memory)
                        if not self._same(other, traced.outcome, self.expected(other)):
                            yield self.story(f"after {packet}, {way.end},", traced)

    def _is_stranger(self, packet: Packet, other: Packet) -> bool:
        """Whether what the node remembers of a packet must not count for another one: it is of another client, service
        or port.
        """
        if keeps(self.program, self.node, packet, other):
            return False
        return self.port(other) != self.port(packet) or not self._is_same_client(packet, other)

    def _is_same_client(self, packet: Packet, other: Packet) -> bool:
        """Whether affinity takes two packets' clients for one."""
        found = self.port(packet)
        assert found is not None
        length = found[0].affinity_networks[packet.source.version == 6]
        return other.source in ip_network((packet.source, length), strict=False)

    def companions(self, kernel: Kernel, packets: Iterable[Packet]) -> Iterator[str]:
        """Yield clients that lose their endpoint when they come to another port or address of the same service."""
        several = [p for p in packets if isinstance(e := self.expected(p), Forwarded) and e.affinity]
        for packet in several[:6]:
            others = [p for p in several if p != packet and keeps(self.program, self.node, packet, p)]
            for way in trace(kernel, packet).ways[:3] if others else ():
                for other in others[:8]:
                    traced = trace(kernel, other, way.memory)
                    if {end.address for end in traced.ends} != {way.end.address}:
                        yield self.story(f"after {packet}, {way.end},", traced)

    def neighbours(self, kernel: Kernel, packets: Iterable[Packet]) -> Iterator[str]:
        """Yield clients of a network that do not get the endpoint of its first client, and clients of the next network
        for which that endpoint counts too. Affinity counts each of these networks as one client.
        """
        several = [p for p in packets if isinstance(e := self.expected(p), Forwarded) and e.affinity]
        for packet in [p for p in several if p.vantage is not Vantage.NODE][:8]:
            found = self.port(packet)
            assert found is not None
            length = found[0].affinity_networks[packet.source.version == 6]
            most = packet.source.max_prefixlen
            way = trace(kernel, packet).ways[-1]
            for bit in {most - length, most - length - 1} & {*range(most)}:  # the network's last, and one within
                other = replace(packet, source=type(packet.source)(int(packet.source) ^ 1 << bit))
                expected = self.expected(other)
                if not isinstance(expected, Forwarded):
                    continue
                traced = trace(kernel, other, way.memory)
                if bit == most - length:
                    if not self._same(other, traced.outcome, expected):
                        yield self.story(f"after {packet}, {way.end}, in another network,", traced)
                elif {(end.address, end.port) for end in traced.ends} != {(way.end.address, way.end.port)}:
                    yield self.story(f"after {packet}, {way.end}, in the same network,", traced)

    def turns(self, kernel: Kernel, packets: Iterable[Packet]) -> Iterator[str]:
        """Yield services that share their turns, so that each client of one would advance the turns of the other. Ports
        of one service may share them where IPVS knows the whole service by a mark.
        """
        labels: dict[ArtifactLine, str] = {}
        for packet in packets:
            found = self.port(packet)
            if found is None or len(getattr(self.expected(packet), "choices", ())) < 2:
                continue
            traced, label = trace(kernel, packet), port_label(*found)
            if self.by_ipvs and by_mark(found[0]):
                label = found[0].name
            for place in {place for way in traced.ways for draw, place in way.draws if draw is Draw.TURN}:
                if labels.setdefault(place, label) != label:
                    yield self.story(f"{labels[place]} and {label} take turns together", traced)

    # ---- words

    def story(self, complaint: str, traced: Trace) -> str:
        """Return the text of a difference: the program, the packet, the outcome by reference and by trace, the ways."""
        packet = traced.packet
        lines = [f"{packet.source} -> {packet.destination} {packet.port}/{packet.protocol}, {packet.vantage.value}"]
        lines += [f"reference: {_words(self.expected(packet))}", f"trace:     {_words(traced.outcome)}"]
        for way in traced.ways[:4]:
            lines += [f"  {way.share}: {way.end}, mark {way.mark:#x}"]
            lines += [f"    {step.hook:12} {step.place or ''!s:14} {step.text}" for step in way.steps]
        node = self.node.name if self.node else "none"
        return "\n".join([f"{complaint}: node {node}, program", program_text(self.program), *lines])


def misfaring(target: Target, program: ir.Program) -> list[str]:
    """Return texts about the packets that a target's rules on the program's first node treat in another way than the
    reference says.
    """
    case = Case(target, program, program.nodes[0])
    kernel = case.load(case.render())
    return [found for packet in packets(program, case.node) if (found := case.fares(kernel, packet)) is not None]


def _carried(packet: Packet, endpoint: ir.Address | None, found: Served | None) -> ir.Address | None:
    """Return the destination that a packet has on its way to an endpoint. ``found``: its service and port."""
    kept = found is not None and found[0].forward is not ir.Forward.MASQUERADE
    return packet.destination if kept else endpoint


def has_vip_device(target: Target) -> bool:
    """Whether a target uses IPVS, and puts vips on a device of the node."""
    return any(part.name == "ipvsadm" for part in target.parts)


def _sources(choice: EndpointShare) -> str:
    return " from " + "-".join(map(str, choice.sources)) if choice.sources else ""


def _words(found: Outcome | None) -> str:
    if not isinstance(found, Forwarded):
        return str(found)
    choices = [f"{c.address}:{c.port} {c.share}{' masqueraded' * c.masquerade}{_sources(c)}" for c in found.choices]
    return ", ".join([*choices, f"affinity {found.affinity}"])
