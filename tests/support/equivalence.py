"""A target's artifacts against the reference: what may differ for a packet, said so that a person can read it."""

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

#: iptables keeps a probability as a number of 31 bits (xt_statistic): a cascade of rules is wrong by one of these
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

    Each method follows packets through a node that has the artifacts loaded, and says what is not as it should be.
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
        """A mark of somebody else's: every bit but the program's own."""
        return 0xFFFF_FFFF & ~self.program.cluster.mark

    @cached_property
    def by_ipvs(self) -> bool:
        return has_vip_device(self.target)

    def render(self) -> Bundle:
        return self.target.render(self.program, self.node)

    def load(self, *bundles: Bundle) -> Kernel:
        """On a node that has its own addresses, and the service addresses that others are to hold."""
        return load(bundles, (*self.own, *self.program.held_by_others))

    def load_with_vips(self, *bundles: Bundle) -> Kernel:
        """The same where the vips are addresses of the node's own: of a loopback device, or left there by ipvs."""
        return load(bundles, (*self.own, *self.vips))

    def expected(self, packet: Packet) -> Outcome:
        found = self._expected.get(packet)
        if found is None:
            found = self._expected[packet] = outcome(self.program, self.node, packet)
        return found

    def port(self, packet: Packet) -> Served | None:
        """The service that a packet is for, and the port."""
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

    # ---- what one packet shows

    def fares(self, kernel: Kernel, packet: Packet) -> str | None:
        """Whether it fares as the reference says."""
        traced = trace(kernel, packet, mark=self.foreign_mark, ct_mark=self.foreign_mark)
        expected = self.expected(packet)
        if not same(packet, traced.outcome, expected):
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
        """Whether IPVS is told of a packet by a mark. ``found``: its service and port."""
        untouched = self.expected(packet) is Refusal.UNTOUCHED  # at a node port's number, and no address of node ports
        marked = found is not None and (by_mark(found[0]) or is_large(found[1].ports))
        return marked and not untouched

    def _marks_left(self, packet: Packet, found: Served | None) -> set[int]:
        """Others' marks stay; but for those of a packet that IPVS knows by its mark, which has none then. Where that is
        inside another packet, the trace does not see the rule that takes it off."""
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
        """The outcome alone."""
        traced = trace(kernel, packet)
        return None if same(packet, traced.outcome, self.expected(packet)) else self.story("another outcome", traced)

    def is_answered(self, kernel: Kernel, packet: Packet) -> str | None:
        """What the node sends to a vip without naming a source comes from the vip itself, if that is on a device.

        An endpoint elsewhere could not answer that.
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
        """Connections that exist: those to any endpoint, draining or not, and those that no rule translated."""
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
        """Those that a packet's connection may have been given, draining now or not, and its port."""
        by_vip = packet.destination in service.vips
        traffic = service.internal_traffic if by_vip else service.external_traffic
        there = packet.destination in (*service.vips, *service.external_ips)
        first = port.ports.first if there or port.nodeport is None else port.nodeport.first
        for endpoint in service.endpoints:
            here = traffic is not ir.Traffic.LOCAL or (self.node is not None and endpoint.node == self.node.name)
            if endpoint.address.version == packet.destination.version and here:
                base = port.target if endpoint.port is None else endpoint.port
                yield endpoint, base + packet.port - first

    def strangers(self, kernel: Kernel, packets: Iterable[Packet]) -> Iterator[str]:
        """Clients that get another client's endpoint, or one that they had of another service."""
        several = [p for p in packets if isinstance(e := self.expected(p), Forwarded) and e.affinity]
        for packet in several[:4]:
            for way in trace(kernel, packet).ways[:2]:
                for other in several[:12]:
                    if self._is_stranger(packet, other):
                        traced = trace(kernel, other, way.memory)
                        if not same(other, traced.outcome, self.expected(other)):
                            yield self.story(f"after {packet}, {way.end},", traced)

    def _is_stranger(self, packet: Packet, other: Packet) -> bool:
        """Whether what a packet left behind is nothing to another one: of another client, service or port."""
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
        """Clients that a service forgets when they come through another port or address of it."""
        several = [p for p in packets if isinstance(e := self.expected(p), Forwarded) and e.affinity]
        for packet in several[:6]:
            others = [p for p in several if p != packet and keeps(self.program, self.node, packet, p)]
            for way in trace(kernel, packet).ways[:3] if others else ():
                for other in others[:8]:
                    traced = trace(kernel, other, way.memory)
                    if {end.address for end in traced.ends} != {way.end.address}:
                        yield self.story(f"after {packet}, {way.end},", traced)

    def neighbours(self, kernel: Kernel, packets: Iterable[Packet]) -> Iterator[str]:
        """Clients of one network that do not get what the first of them got, and those next to it that have to."""
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
                    if not same(other, traced.outcome, expected):
                        yield self.story(f"after {packet}, {way.end}, in another network,", traced)
                elif {(end.address, end.port) for end in traced.ends} != {(way.end.address, way.end.port)}:
                    yield self.story(f"after {packet}, {way.end}, in the same network,", traced)

    def turns(self, kernel: Kernel, packets: Iterable[Packet]) -> Iterator[str]:
        """Services that take turns together: each client of one would move the other's on. The ports of one do where
        IPVS knows all of it by a mark."""
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
        packet = traced.packet
        lines = [f"{packet.source} -> {packet.destination} {packet.port}/{packet.protocol}, {packet.vantage.value}"]
        lines += [f"reference: {_words(self.expected(packet))}", f"trace:     {_words(traced.outcome)}"]
        for way in traced.ways[:4]:
            lines += [f"  {way.share}: {way.end}, mark {way.mark:#x}"]
            lines += [f"    {step.hook:12} {step.place or ''!s:14} {step.text}" for step in way.steps]
        node = self.node.name if self.node else "none"
        return "\n".join([f"{complaint}: node {node}, program", program_text(self.program), *lines])


def misfaring(target: Target, program: ir.Program) -> list[str]:
    """What a target's rules on the program's first node do with packets, where the reference says otherwise."""
    case = Case(target, program, program.nodes[0])
    kernel = case.load(case.render())
    return [found for packet in packets(program, case.node) if (found := case.fares(kernel, packet)) is not None]


def _carried(packet: Packet, endpoint: ir.Address | None, found: Served | None) -> ir.Address | None:
    """The destination that a packet has on its way to an endpoint. ``found``: its service and port."""
    kept = found is not None and found[0].forward is not ir.Forward.MASQUERADE
    return packet.destination if kept else endpoint


def has_vip_device(target: Target) -> bool:
    """Whether IPVS takes the packets of a target, to vips on a device of the node's."""
    return any(part.name == "ipvsadm" for part in target.parts)


def same(packet: Packet, one: Outcome | None, other: Outcome | None) -> bool:
    """Whether two outcomes are one, up to the kernel's precision.

    What the node sends itself has the node's address as its source, masqueraded or not.
    """
    if not isinstance(one, Forwarded) or not isinstance(other, Forwarded):
        return one is other
    if (one.affinity, one.one_packet) != (other.affinity, other.one_packet):
        return False
    if len(one.choices) != len(other.choices):
        return False
    allowance = STEP * len(one.choices)
    return all(_alike(packet, a, b, allowance) for a, b in zip(one.choices, other.choices, strict=True))


def _alike(packet: Packet, one: EndpointShare, other: EndpointShare, allowance: Fraction) -> bool:
    if (one.address, one.port) != (other.address, other.port) or abs(one.share - other.share) > allowance:
        return False
    if one.masquerade != other.masquerade:
        return packet.vantage is Vantage.NODE
    return one.sources == other.sources


def _sources(choice: EndpointShare) -> str:
    return " from " + "-".join(map(str, choice.sources)) if choice.sources else ""


def _words(found: Outcome | None) -> str:
    if not isinstance(found, Forwarded):
        return str(found)
    choices = [f"{c.address}:{c.port} {c.share}{' masqueraded' * c.masquerade}{_sources(c)}" for c in found.choices]
    return ", ".join([*choices, f"affinity {found.affinity}"])
