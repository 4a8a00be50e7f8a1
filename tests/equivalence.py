"""A target's artifacts against the reference: what may differ for a packet, said so that a person can read it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

from dsl_printer import program_text

from svcc.compiler import ir
from svcc.compiler.frontends import port_label
from svcc.targets.interface import Target
from svcc.verify.packet import Choice, Forwarded, Outcome, Packet, Refusal, Vantage
from svcc.verify.reference import outcome
from svcc.verify.trace import Binding, Draw, Kernel, Place, Trace, load, trace

#: iptables keeps a probability as a number of 31 bits (xt_statistic): a cascade of rules is wrong by one of these
#: for each rule.
STEP = Fraction(1, 1 << 31)
#: A mark of somebody else's, without the bits that programs of the tests take for theirs.
FOREIGN_MARK = 0x0003_0000

_DRAWS = {
    ir.Scheduler.RANDOM: Draw.RANDOM,
    ir.Scheduler.RR: Draw.TURN,
    ir.Scheduler.WRR: Draw.TURN,
    ir.Scheduler.SH: Draw.CLIENT,
    ir.Scheduler.MH: Draw.CLIENT,
}
_ANSWERS = {4: "icmp-port-unreachable", 6: "icmp6-port-unreachable"}


@dataclass(frozen=True)
class Case:
    """A program on a node, as a target renders it."""

    target: Target
    program: ir.Program
    node: ir.Node | None

    @cached_property
    def own(self) -> tuple[ir.Address, ...]:
        return self.node.addresses if self.node else ()

    @cached_property
    def vips(self) -> tuple[ir.Address, ...]:
        services = self.program.services
        return tuple(dict.fromkeys(a for s in services for a in (*s.vips, *s.external_ips)))

    @cached_property
    def kernel(self) -> Kernel:
        return load(self.target.render(self.program, self.node), self.own)

    @cached_property
    def kernel_with_vips(self) -> Kernel:
        """The same, where the vips are addresses of the node's own: of a loopback device, or left there by ipvs."""
        return load(self.target.render(self.program, self.node), (*self.own, *self.vips))

    @cached_property
    def by_ipvs(self) -> bool:
        return has_vip_device(self.target)

    def expected(self, packet: Packet) -> Outcome:
        return outcome(self.program, self.node, packet)

    def port(self, packet: Packet) -> tuple[ir.Service, ir.Port] | None:
        """The service that a packet is for, and the port."""
        for service in self.program.services:
            for port in service.ports:
                here = packet.destination in (*service.vips, *service.external_ips)
                ports = port.ports if here else port.nodeport if packet.destination in self.own else None
                if ports and packet.port in ports and port.protocol is packet.protocol:
                    return service, port
        return None

    # ---- what one packet shows

    def differences(self, packets: Iterable[Packet]) -> Iterator[str]:
        """Whatever is not as the reference says."""
        turns: dict[Place, str] = {}
        for packet in packets:
            traced, expected = trace(self.kernel, packet, mark=FOREIGN_MARK), self.expected(packet)
            if not same(packet, traced.outcome, expected):
                yield self.story("another outcome", traced, expected)
            elif (complaint := self._complaint(packet, traced, expected)) is not None:
                yield self.story(complaint, traced, expected)
            if (found := self.port(packet)) is not None:
                label = port_label(*found)
                for place in {place for way in traced.ways for draw, place in way.draws if draw is Draw.TURN}:
                    if turns.setdefault(place, label) != label:
                        yield self.story(f"{turns[place]} and {label} take turns together", traced, expected)

    def _complaint(self, packet: Packet, traced: Trace, expected: Outcome) -> str | None:
        for way in traced.ways:
            ended = way.end.refusal in (Refusal.REJECT, Refusal.DROP) or way.end.address in self.own
            if way.mark != FOREIGN_MARK and not ended:
                return "the packet leaves with another mark"
        if expected is Refusal.REJECT:
            unreachable = _ANSWERS[packet.destination.version]
            allowed = {"tcp-reset" if packet.protocol is ir.Protocol.TCP else unreachable}
            allowed |= {unreachable} if self.by_ipvs else set()  # which answers itself where servers are draining
            if any(_plain(way.end.answer) not in allowed for way in traced.ways):
                return f"not answered with {min(allowed)}"
        found = self.port(packet)
        if isinstance(expected, Forwarded) and len(expected.choices) > 1 and found is not None:
            how = _DRAWS.get(found[0].scheduler or self.target.default_scheduler, Draw.OTHER)
            if {draw for way in traced.ways for draw, _ in way.draws} != {how}:
                return f"not chosen by {how}"
        return None

    def with_vips(self, packets: Iterable[Packet]) -> Iterator[str]:
        """Whatever is otherwise where the vips are the node's own addresses."""
        for packet in packets:
            traced, expected = trace(self.kernel_with_vips, packet), self.expected(packet)
            if not same(packet, traced.outcome, expected):
                yield self.story("another outcome where vips are addresses of the node", traced, expected)

    # ---- what came before a packet

    def existing(self, packets: Iterable[Packet]) -> Iterator[str]:
        """Connections that are cut off: those to any endpoint, draining or not, and those that no rule translated."""
        for packet in packets:
            bindings = [Binding(packet.destination, packet.port, masquerade=False)]
            found = self.port(packet)
            if found is not None and self.expected(packet) is not Refusal.UNTOUCHED:
                bindings += [
                    Binding(e.address, 4321, masquerade, self.by_ipvs)
                    for e in found[0].endpoints
                    if e.address.version == packet.destination.version
                    for masquerade in (False, True)
                ]
            for binding in bindings:
                traced = trace(self.kernel, packet, binding=binding)
                (way,) = traced.ways
                end = (way.end.address or packet.destination, way.end.port or packet.port)
                if way.end.refusal not in (None, Refusal.UNTOUCHED) or end != (binding.address, binding.port):
                    yield self.story(f"a connection that exists, {binding},", traced, self.expected(packet))

    def histories(self, packets: Iterable[Packet]) -> Iterator[str]:
        """Clients that get another client's endpoint, or one that they had of another service."""
        several = [p for p in packets if isinstance(e := self.expected(p), Forwarded) and e.affinity]
        for packet in several[:4]:
            for way in trace(self.kernel, packet).ways[:2]:
                for other in several[:12]:
                    if other.source != packet.source or self.port(other) != self.port(packet):
                        traced = trace(self.kernel, other, way.memory)
                        if not same(other, traced.outcome, self.expected(other)):
                            yield self.story(f"after {packet}, {way.end},", traced, self.expected(other))

    def from_vips(self, packets: Iterable[Packet]) -> Iterator[str]:
        """What the node sends without naming a source comes from the vip itself, if that is on one of its devices.

        An endpoint elsewhere could not answer it.
        """
        for packet in packets:
            if packet.vantage is not Vantage.NODE or packet.destination not in self.vips:
                continue
            packet = Packet(packet.destination, packet.destination, packet.protocol, packet.port, Vantage.NODE)
            found = self.port(packet)
            if found is not None and found[0].forward is not ir.Forward.MASQUERADE:
                continue
            traced = trace(self.kernel, packet)
            if any(e.address and e.address not in self.own and not e.masquerade for e in traced.ends):
                yield self.story("comes from the vip", traced, self.expected(packet))

    # ---- words

    def story(self, complaint: str, traced: Trace, expected: Outcome) -> str:
        packet = traced.packet
        lines = [f"{packet.source} -> {packet.destination} {packet.port}/{packet.protocol}, {packet.vantage.value}"]
        lines += [f"reference: {_words(expected)}", f"trace:     {_words(traced.outcome)}"]
        for way in traced.ways[:4]:
            lines += [f"  {way.share}: {way.end}, mark {way.mark:#x}"]
            lines += [f"    {step.hook:12} {step.place or ''!s:14} {step.text}" for step in way.steps]
        node = self.node.name if self.node else "none"
        return "\n".join([f"{complaint}: node {node}, program", program_text(self.program), *lines])


def has_vip_device(target: Target) -> bool:
    """Whether IPVS takes the packets of a target, to vips on a device of the node's."""
    return any(part.name == "ipvsadm" for part in target.parts)


def same(packet: Packet, one: Outcome | None, other: Outcome | None) -> bool:
    """Whether two outcomes are one, up to the kernel's precision.

    What the node sends itself has the node's address as its source, masqueraded or not.
    """
    if not isinstance(one, Forwarded) or not isinstance(other, Forwarded):
        return one is other
    if one.affinity != other.affinity or len(one.choices) != len(other.choices):
        return False
    allowance = STEP * len(one.choices)
    return all(_alike(packet, a, b, allowance) for a, b in zip(one.choices, other.choices, strict=True))


def _alike(packet: Packet, one: Choice, other: Choice, allowance: Fraction) -> bool:
    if (one.address, one.port) != (other.address, other.port) or abs(one.share - other.share) > allowance:
        return False
    return one.masquerade == other.masquerade or packet.vantage is Vantage.NODE


def _plain(answer: str) -> str:
    return answer.replace("icmpv6", "icmp6")


def _words(found: Outcome | None) -> str:
    if not isinstance(found, Forwarded):
        return str(found)
    choices = [f"{c.address}:{c.port} {c.share}{' masqueraded' * c.masquerade}" for c in found.choices]
    return ", ".join([*choices, f"affinity {found.affinity}"])
