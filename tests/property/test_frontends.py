"""The frontends, which every target renders, mean what the reference says."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from ipaddress import ip_address, ip_network
from itertools import product
from typing import TypeVar

import pytest
from hypothesis import Phase, find, given, settings
from hypothesis import strategies as st

from support import strategies
from support.reference_service import A6, CLIENT, CLIENT6, EXTERNAL, HTTP, MEDIA, NODE, VIP, VIP6, A, B, C
from svcc.compiler import ir
from svcc.compiler.frontends import Frontend, Kind, Rewrite, frontends
from svcc.verify.packet import EndpointShare, Forwarded, Outcome, Packet, Refusal
from svcc.verify.reference import outcome

T = TypeVar("T")


def by_frontends(program: ir.Program, node: ir.Node | None, every: Sequence[Frontend], packet: Packet) -> Outcome:
    """The outcome as a target that renders the frontends faithfully would have it."""
    found = [frontend for frontend in every if _matches(program, node, frontend, packet)]
    assert len(found) <= 1, "two frontends for one packet"
    if not found:
        ours = {frontend.address for frontend in every if not frontend.shared}
        return Refusal.REJECT if packet.destination in ours else Refusal.UNTOUCHED
    frontend = found[0]
    if frontend.restricted and not any(packet.source in network for network in frontend.allow_from):
        return Refusal.DROP
    if not frontend.endpoints:
        return Refusal.DROP if frontend.service.when_empty is ir.WhenEmpty.DROP else Refusal.REJECT
    return Forwarded(_choices(program, node, frontend, packet), frontend.service.affinity)


def _matches(program: ir.Program, node: ir.Node | None, frontend: Frontend, packet: Packet) -> bool:
    if packet.protocol is not frontend.port.protocol or packet.port not in frontend.ports:
        return False
    if frontend.kind is not Kind.NODE_PORT:
        return packet.destination == frontend.address
    serving = program.cluster.nodeport_addresses
    return (
        packet.destination.version == frontend.version
        and packet.destination in (node.addresses if node else ())
        and not packet.destination.is_loopback
        and (not serving or any(packet.destination in network for network in serving))
    )


def _choices(
    program: ir.Program, node: ir.Node | None, frontend: Frontend, packet: Packet
) -> tuple[EndpointShare, ...]:
    """Shares, limits and sources are of no concern to frontends; neither is that nothing is rewritten on its way to the
    very node."""
    offset = packet.port - frontend.ports.first
    outside = not any(packet.source in network for network in program.cluster.pods)
    rewritten = {
        Rewrite.NOBODY: False,
        Rewrite.OUTSIDE_PODS: outside,
        Rewrite.NETWORKS: any(packet.source in network for network in frontend.rewrite_from),
        Rewrite.EVERYBODY: True,
    }[frontend.rewrite]
    hairpins = frontend.service.forward is ir.Forward.MASQUERADE
    elsewhere = {endpoint.address for endpoint in frontend.endpoints} - set(node.addresses if node else ())
    endpoints = frontend.endpoints
    if frontend.service.scheduler is ir.Scheduler.FO:
        endpoints = tuple(e for e in endpoints if e.weight == max(other.weight for other in endpoints))
    places = sorted({(endpoint.address, frontend.target(endpoint) + offset) for endpoint in endpoints})
    return tuple(
        EndpointShare(a, port, Fraction(0), a in elsewhere and (rewritten or (hairpins and packet.source == a)))
        for a, port in places
    )


def without_shares(result: Outcome) -> Outcome:
    if isinstance(result, Refusal):
        return result
    assert sum(choice.share for choice in result.choices) == 1
    return Forwarded(
        tuple(replace(choice, share=Fraction(0), most=0, sources=()) for choice in result.choices), result.affinity
    )


_NODES = (
    replace(NODE, zone="x"),
    ir.Node("node-b", (ip_address("10.0.0.5"), ip_address("fd00:10::5"))),
    ir.Node("node-c", (ip_address("10.0.0.6"),), "x"),
)
_ALLOWED = tuple(map(ip_network, ("192.0.2.0/24", "10.0.0.0/8", "2001:db8::/32", "fd00:64::/64")))
_PODS = tuple(map(ip_network, ("100.64.0.0/24", "fd00:64::/64", "100.64.0.8/29")))
_SERVING = tuple(map(ip_network, ("10.0.0.0/8", "10.0.0.4/32", "fd00:10::/64")))
_OTHER_PORTS = (ir.Port(None, ir.Protocol.TCP, ir.PortRange(81, 81), 8080, ir.PortRange(30081, 30081)),)


def _some(members: Sequence[T]) -> st.SearchStrategy[tuple[T, ...]]:
    """A subset; the empty one is no likelier than others."""
    return st.tuples(*(st.sampled_from(((), (member,))) for member in members)).map(lambda parts: sum(parts, ()))


def _endpoint(address: ir.Address) -> st.SearchStrategy[tuple[ir.Endpoint, ...]]:
    """Perhaps one, of all kinds."""
    one = ir.Endpoint(address, node="node-a")
    same = replace(one, port=8080), replace(one, port=9443)
    kinds = (
        (),
        (one,),
        (replace(one, weight=3),),
        (replace(one, weight=0),),
        (replace(one, node="node-b"),),
        (replace(one, node="node-c"),),
        (replace(one, backup=True),),
        (replace(one, node="node-c", backup=True),),
        (one, *same),
    )
    return st.sampled_from(kinds)


def _services(name: str, ports: tuple[ir.Port, ...]) -> st.SearchStrategy[ir.Service]:
    return st.builds(
        ir.Service,
        st.just(name),
        vips=st.sampled_from(((VIP, VIP6), (VIP,), (VIP6,), ())),
        external_ips=_some((EXTERNAL, ip_address("2001:db8:7::7"))),
        allow_from=st.just(()) | _some(_ALLOWED),
        ports=st.just(ports),
        endpoints=st.tuples(*map(_endpoint, (A, B, A6))).map(lambda parts: sum(parts, ())),
        scheduler=st.sampled_from((None, ir.Scheduler.RR, ir.Scheduler.FO)),
        affinity=st.sampled_from((None, 600)),
        external_traffic=st.sampled_from(ir.Traffic),
        internal_traffic=st.sampled_from(ir.Traffic),
        masquerade=st.sampled_from((ir.Masquerade.AUTO, *ir.Masquerade)),
        forward=st.sampled_from((*[ir.Forward.MASQUERADE] * 4, *ir.Forward)),
        when_empty=st.sampled_from(ir.WhenEmpty),
    )


@st.composite
def programs(draw: st.DrawFn) -> ir.Program:
    """Two services that share what they can."""
    cluster = ir.Cluster(pods=draw(_some(_PODS)), nodeport_addresses=draw(st.just(()) | _some(_SERVING)))
    services = draw(st.tuples(_services("other", _OTHER_PORTS), _services("web", (HTTP, MEDIA))))
    return ir.Program(cluster, _NODES, services)


def packets(program: ir.Program) -> Iterator[Packet]:
    """To every address that means something, and some that do not, with every port that is a boundary."""
    addresses = {a for service in program.services for a in (*service.vips, *service.external_ips)}
    addresses |= {a for node in program.nodes for a in node.addresses} | {ip_address("127.0.0.1"), CLIENT}
    ranges = {r for service in program.services for p in service.ports for r in (p.ports, p.nodeport) if r}
    ports = {number for r in ranges for number in (r.first, r.last, r.last + 1) if number < 65_536}
    sources = {e.address for service in program.services for e in service.endpoints} | {C, CLIENT, CLIENT6}
    protocols = {port.protocol for service in program.services for port in service.ports}
    for source, destination in product(sorted(sources, key=str), sorted(addresses, key=str)):
        if source.version == destination.version:
            for protocol, port in product(sorted(protocols), sorted(ports)):
                yield Packet(source, destination, protocol, port)


def check(program: ir.Program) -> None:
    for node in (None, *program.nodes):
        every = list(frontends(program, node))
        for packet in packets(program):
            expected = by_frontends(program, node, every, packet)
            assert without_shares(outcome(program, node, packet)) == expected, (node, packet)


@given(programs())
def test_the_frontends_mean_the_same(program: ir.Program) -> None:
    check(program)


@settings(max_examples=max(10, settings().max_examples // 4))
@given(strategies.programs(min_services=1))
def test_the_frontends_mean_the_same_in_any_program(program: ir.Program) -> None:
    check(program)


@pytest.mark.parametrize("wanted", [*Refusal, "some masqueraded", "all masqueraded", "affinity"])
def test_outcomes_of_every_kind_are_met(wanted: Refusal | str) -> None:
    def meets(program: ir.Program) -> bool:
        return any(_is(outcome(program, NODE, packet), wanted) for packet in packets(program))

    find(programs(), meets, settings=settings(max_examples=500, phases=[Phase.generate], database=None))


def _is(result: Outcome, wanted: Refusal | str) -> bool:
    if isinstance(result, Refusal):
        return result is wanted
    rewritten = {choice.masquerade for choice in result.choices}
    kinds = {"some masqueraded": len(rewritten) == 2, "all masqueraded": rewritten == {True}}
    return kinds.get(str(wanted), result.affinity is not None and wanted == "affinity")
