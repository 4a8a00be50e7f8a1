"""The reference agrees with each rule of the language's meaning, one after the other."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from ipaddress import ip_address, ip_network
from itertools import product

import pytest

from support.reference_service import A6, CLIENT, CLIENT6, EXTERNAL, HTTP, MEDIA, NODE, VIP, VIP6, A, B, C
from svcc.compiler import ir
from svcc.verify.packet import EndpointShare, Forwarded, Outcome, Packet, Portless, Refusal, Vantage
from svcc.verify.reference import outcome

WEB = ir.Service(
    "web",
    vips=(VIP, VIP6),
    external_ips=(EXTERNAL,),
    ports=(HTTP, MEDIA),
    endpoints=(ir.Endpoint(A), ir.Endpoint(B), ir.Endpoint(A6)),
)
PODS = ir.Cluster(pods=(ip_network("100.64.0.0/24"),))


def program(service: ir.Service = WEB, cluster: ir.Cluster = PODS) -> ir.Program:
    return ir.Program(cluster, (NODE,), (service,))


def to(
    destination: ir.Address | str, port: int = 80, protocol: str = "tcp", source: ir.Address | None = None
) -> Packet:
    address = ip_address(destination)
    return Packet(source or (CLIENT if address.version == 4 else CLIENT6), address, ir.Protocol(protocol), port)


def of(packet: Packet, service: ir.Service = WEB, cluster: ir.Cluster = PODS, node: ir.Node | None = NODE) -> Outcome:
    return outcome(program(service, cluster), node, packet)


def choices(result: Outcome) -> tuple[EndpointShare, ...]:
    assert isinstance(result, Forwarded), result
    return result.choices


def endpoints(result: Outcome) -> list[tuple[str, int]]:
    return [(str(choice.address), choice.port) for choice in choices(result)]


def shares(result: Outcome) -> dict[str, Fraction]:
    return {str(choice.address): choice.share for choice in choices(result)}


def masqueraded(result: Outcome) -> dict[str, bool]:
    return {str(choice.address): choice.masquerade for choice in choices(result)}


# ---- 1: a vip or an external-ip, and one of its ports


@pytest.mark.parametrize("destination", [VIP, EXTERNAL])
def test_a_declared_port_of_an_address_leads_to_the_service_s_endpoints(destination: ir.Address) -> None:
    assert endpoints(of(to(destination))) == [(str(A), 8080), (str(B), 8080)]


@pytest.mark.parametrize("destination", [VIP, VIP6, EXTERNAL])
def test_any_other_port_of_it_is_rejected_and_never_the_host_s_own(destination: ir.Address) -> None:
    for port, protocol in ((22, "tcp"), (80, "udp"), (80, "sctp"), (8080, "tcp"), (30080, "tcp")):
        assert of(to(destination, port, protocol)) is Refusal.REJECT


@pytest.mark.parametrize("protocol", Portless)
@pytest.mark.parametrize("destination", [VIP, VIP6, EXTERNAL, NODE.addresses[0]])
def test_protocols_without_ports_are_not_ours(destination: ir.Address, protocol: Portless) -> None:
    source = CLIENT if destination.version == 4 else CLIENT6
    assert of(Packet(source, destination, protocol)) is Refusal.UNTOUCHED


def test_of_a_shared_address_the_declared_ports_are_ours_alone() -> None:
    shared = replace(WEB, shared=(EXTERNAL,))
    assert endpoints(of(to(EXTERNAL), shared)) == [(str(A), 8080), (str(B), 8080)]
    for port, protocol in ((22, "tcp"), (80, "udp"), (80, "sctp"), (8080, "tcp")):
        assert of(to(EXTERNAL, port, protocol), shared) is Refusal.UNTOUCHED
        assert of(to(VIP, port, protocol), shared) is Refusal.REJECT


def test_in_the_networks_of_services_what_no_service_has_is_rejected() -> None:
    cluster = replace(PODS, services=(ip_network("198.19.0.0/16"), ip_network("203.0.113.0/29")))
    shared = replace(WEB, shared=(EXTERNAL,))
    for address in ("198.19.77.1", "203.0.113.6"):
        for packet in (to(address), to(address, 22, "udp"), to(address, 30080, "sctp")):
            assert of(packet, shared, cluster=cluster) is Refusal.REJECT
            assert of(packet, shared) is Refusal.UNTOUCHED
        assert of(Packet(CLIENT, ip_address(address), Portless.ICMP), shared, cluster=cluster) is Refusal.UNTOUCHED
    assert of(to(EXTERNAL, 22), shared, cluster=cluster) is Refusal.UNTOUCHED
    assert of(to("203.0.113.9"), shared, cluster=cluster) is Refusal.UNTOUCHED
    assert of(to("fd00:19::99"), shared, cluster=cluster) is Refusal.UNTOUCHED


def test_services_share_an_address_by_ports() -> None:
    other = replace(WEB, name="other", ports=(replace(HTTP, ports=ir.PortRange(443, 443), nodeport=None),))
    both = ir.Program(PODS, (NODE,), (replace(other, endpoints=(ir.Endpoint(C),)), WEB))
    assert endpoints(outcome(both, NODE, to(VIP, 443))) == [(str(C), 8080)]
    assert endpoints(outcome(both, NODE, to(VIP, 80))) == [(str(A), 8080), (str(B), 8080)]
    assert outcome(both, NODE, to(VIP, 22)) is Refusal.REJECT


# ---- 2: node ports


def test_a_node_port_on_an_address_of_the_node_leads_to_the_same_endpoints() -> None:
    assert endpoints(of(to("10.0.0.4", 30080))) == [(str(A), 8080), (str(B), 8080)]
    assert endpoints(of(to("fd00:10::4", 30080))) == [(str(A6), 8080)]


def test_other_ports_and_other_addresses_are_not_ours() -> None:
    for packet in (to("10.0.0.4", 80), to("10.0.0.4", 30080, "udp"), to("10.0.0.5", 30080)):
        assert of(packet) is Refusal.UNTOUCHED
    assert of(to("10.0.0.4", 30080), node=None) is Refusal.UNTOUCHED


def test_loopback_serves_no_node_ports() -> None:
    assert of(to("127.0.0.2", 30080)) is Refusal.UNTOUCHED


def test_nodeport_addresses_say_which_addresses_serve() -> None:
    for networks, served in ((("10.0.0.0/8",), True), (("10.0.0.5/32",), False), (("fd00::/8",), False)):
        cluster = replace(PODS, nodeport_addresses=tuple(map(ip_network, networks)))
        assert (of(to("10.0.0.4", 30080), cluster=cluster) is not Refusal.UNTOUCHED) is served


def test_a_service_has_node_ports_in_its_own_families_only() -> None:
    v4_only = replace(WEB, vips=(VIP,), endpoints=(ir.Endpoint(A),))
    assert of(to("fd00:10::4", 30080), v4_only) is Refusal.UNTOUCHED
    emptied = replace(WEB, vips=(VIP, VIP6), endpoints=(ir.Endpoint(A),))
    assert of(to("fd00:10::4", 30080), emptied) is Refusal.REJECT
    bare = replace(WEB, vips=(), external_ips=(), endpoints=())
    assert [of(to(address, 30080), bare) for address in NODE.addresses[:2]] == [Refusal.REJECT] * 2


# ---- 3: allow-from

ALLOWED = replace(WEB, allow_from=(ip_network("10.0.0.0/8"), ip_network("2001:db8:100::/48")))


def test_who_is_not_allowed_is_dropped_on_external_ips_and_node_ports() -> None:
    for destination, port in ((EXTERNAL, 80), ("10.0.0.4", 30080), ("fd00:10::4", 30080)):
        assert of(to(destination, port), ALLOWED) is Refusal.DROP
    for destination, port, source in ((EXTERNAL, 80, "10.1.2.3"), ("fd00:10::4", 30080, "2001:db8:100::1")):
        assert isinstance(of(to(destination, port, source=ip_address(source)), ALLOWED), Forwarded)


def test_vips_are_for_everyone() -> None:
    assert isinstance(of(to(VIP), ALLOWED), Forwarded)


def test_allow_from_comes_before_emptiness_and_after_undeclared_ports() -> None:
    assert of(to(EXTERNAL), replace(ALLOWED, endpoints=())) is Refusal.DROP
    assert of(to(EXTERNAL, 22), ALLOWED) is Refusal.REJECT


def test_a_family_without_a_network_is_not_allowed_at_all() -> None:
    assert of(to("fd00:10::4", 30080), replace(WEB, allow_from=(ip_network("0.0.0.0/0"),))) is Refusal.DROP


# ---- 4: which endpoints


def test_draining_endpoints_get_nothing_new() -> None:
    draining = replace(WEB, endpoints=(ir.Endpoint(A, weight=0), ir.Endpoint(B)))
    assert shares(of(to(VIP), draining)) == {str(B): 1}


def test_families_never_mix() -> None:
    assert endpoints(of(to(VIP6))) == [(str(A6), 8080)]


def test_local_traffic_goes_to_this_node_s_endpoints() -> None:
    here, there = ir.Endpoint(A, node="node-a"), ir.Endpoint(B, node="node-b")
    local = ir.Traffic.LOCAL
    inside = replace(WEB, endpoints=(here, there, ir.Endpoint(C)), internal_traffic=local)
    outside = replace(inside, internal_traffic=ir.Traffic.CLUSTER, external_traffic=local)
    assert [len(shares(of(packet, inside))) for packet in (to(VIP), to(EXTERNAL), to("10.0.0.4", 30080))] == [1, 3, 3]
    assert [len(shares(of(packet, outside))) for packet in (to(VIP), to(EXTERNAL), to("10.0.0.4", 30080))] == [3, 1, 1]
    assert of(to(VIP), inside, node=None) is Refusal.REJECT


@pytest.mark.parametrize(
    ("when_empty", "refusal"), [(ir.WhenEmpty.REJECT, Refusal.REJECT), (ir.WhenEmpty.DROP, Refusal.DROP)]
)
def test_when_none_is_left_when_empty_says_what(when_empty: ir.WhenEmpty, refusal: Refusal) -> None:
    drained = (ir.Endpoint(A, weight=0),)
    for left in ((), drained):
        empty = replace(WEB, endpoints=left, when_empty=when_empty)
        for destination, port in ((VIP, 80), (VIP6, 80), (EXTERNAL, 80), ("10.0.0.4", 30080)):
            assert of(to(destination, port), empty) is refusal
        assert of(to(VIP, 22), empty) is Refusal.REJECT


ZONED = tuple(
    ir.Node(name, (ip_address(a),), z)
    for name, a, z in (("a", "10.0.0.4", "x"), ("b", "10.0.0.5", "x"), ("c", "10.0.0.6", None))
)
PREFER_LOCAL, PREFER_ZONE = ir.Traffic.PREFER_LOCAL, ir.Traffic.PREFER_ZONE
_BACKUP = ir.Endpoint(C, weight=4, backup=True)


@pytest.mark.parametrize(
    ("first", "when_empty", "wanted"),
    [
        pytest.param(ir.Endpoint(A), ir.WhenEmpty.DRAINING, {A: 1}, id="somebody else"),
        pytest.param(ir.Endpoint(A, weight=0), ir.WhenEmpty.DRAINING, {C: 1}, id="nobody else"),
        pytest.param(ir.Endpoint(A6), ir.WhenEmpty.REJECT, {C: 1}, id="nobody else of its family"),
    ],
)
def test_a_backup_serves_only_while_no_other_endpoint_can(
    first: ir.Endpoint, when_empty: ir.WhenEmpty, wanted: dict[ir.Address, int]
) -> None:
    for order in ((first, _BACKUP), (_BACKUP, first)):
        service = replace(WEB, endpoints=order, when_empty=when_empty)
        assert shares(of(to(VIP), service)) == {str(address): share for address, share in wanted.items()}


def test_draining_endpoints_serve_in_equal_shares_when_nobody_else_is_left() -> None:
    backup = ir.Endpoint(ip_address("100.64.0.29"), weight=0, backup=True)  # it stood in for others: no more
    drained = (*(ir.Endpoint(address, weight=0) for address in (A, B)), backup)
    service = replace(WEB, endpoints=drained, when_empty=ir.WhenEmpty.DRAINING)
    assert shares(of(to(VIP), service)) == {str(A): Fraction(1, 2), str(B): Fraction(1, 2)}
    assert of(to(VIP6), service) is Refusal.REJECT
    local = replace(service, internal_traffic=ir.Traffic.LOCAL)
    assert of(to(VIP), local) is Refusal.REJECT


def near(traffic: ir.Traffic, node: str, *endpoints: ir.Endpoint) -> list[str]:
    """Who serves a client of the vip on a node, of those that are there."""
    service = replace(WEB, endpoints=endpoints, internal_traffic=traffic)
    program = ir.Program(PODS, ZONED, (service,))
    found = outcome(program, program.node(node), to(VIP))
    return [str(choice.address) for choice in choices(found)]


def test_the_nearest_endpoints_are_preferred() -> None:
    here, beside, far = (ir.Endpoint(address, node=node) for address, node in ((A, "a"), (B, "b"), (C, "c")))
    every = (here, beside, far)
    assert [near(PREFER_LOCAL, node, *every) for node in "abc"] == [[str(A)], [str(B)], [str(C)]]
    assert near(PREFER_LOCAL, "a", beside, far) == [str(B), str(C)]
    assert near(PREFER_ZONE, "a", *every) == [str(A)]
    assert near(PREFER_ZONE, "a", beside, far) == [str(B)]
    assert near(PREFER_ZONE, "c", here, beside) == [str(A), str(B)], "a node without a zone is near nobody"
    assert near(PREFER_ZONE, "a", replace(beside, weight=0), far) == [str(C)]
    assert near(PREFER_ZONE, "nobody", *every) == [str(A), str(B), str(C)]


def test_a_backup_on_the_node_comes_after_others_elsewhere() -> None:
    backup = ir.Endpoint(A, node="a", backup=True)
    for traffic in (PREFER_LOCAL, PREFER_ZONE):
        assert near(traffic, "a", backup, ir.Endpoint(C, node="c")) == [str(C)]
        assert near(traffic, "a", backup, ir.Endpoint(C, node="c", backup=True)) == [str(A)]


# ---- 5: the choice

WEIGHTED = (ir.Endpoint(A, weight=1), ir.Endpoint(B, weight=3))


@pytest.mark.parametrize("scheduler", [None, *ir.Scheduler])
def test_shares_follow_the_weights_unless_the_scheduler_does_not(scheduler: ir.Scheduler | None) -> None:
    got = shares(of(to(VIP), replace(WEB, endpoints=WEIGHTED, scheduler=scheduler)))
    if scheduler in (ir.Scheduler.RR, ir.Scheduler.LC, ir.Scheduler.DH):
        assert got == {str(A): Fraction(1, 2), str(B): Fraction(1, 2)}
    elif scheduler is ir.Scheduler.FO:
        assert got == {str(B): 1}
    else:
        assert got == {str(A): Fraction(1, 4), str(B): Fraction(3, 4)}


def test_affinity_is_told() -> None:
    result = of(to(VIP), replace(WEB, affinity=600))
    assert isinstance(result, Forwarded)
    assert result.affinity == 600


# ---- 6: the endpoint's port


@pytest.mark.parametrize(("destination", "port"), [(VIP, 5042), (EXTERNAL, 5042), ("10.0.0.4", 31042)])
def test_a_range_maps_one_to_one(destination: ir.Address | str, port: int) -> None:
    assert endpoints(of(to(destination, port, "udp"))) == [(str(A), 6042), (str(B), 6042)]
    assert of(to(VIP, 5100, "udp")) is Refusal.REJECT


def test_an_endpoint_s_own_port_overrides_the_target() -> None:
    own = replace(WEB, ports=(HTTP,), endpoints=(ir.Endpoint(A, port=9443), ir.Endpoint(B), ir.Endpoint(A)))
    assert endpoints(of(to(VIP), own)) == [(str(A), 8080), (str(A), 9443), (str(B), 8080)]


# ---- 7: masquerading

ANYONE = {str(A): True, str(B): True}
NO_ONE = {str(A): False, str(B): False}


def test_a_hairpin_always_is() -> None:
    for masquerade, destination in product((ir.Masquerade.AUTO, ir.Masquerade.NEVER), (VIP, EXTERNAL)):
        service = replace(WEB, masquerade=masquerade, external_traffic=ir.Traffic.LOCAL)
        service = replace(service, endpoints=(ir.Endpoint(A, node="node-a"), ir.Endpoint(B, node="node-a")))
        assert masqueraded(of(to(destination, source=A), service)) == {str(A): True, str(B): False}


def test_external_traffic_is_unless_it_is_local() -> None:
    local = replace(WEB, endpoints=tuple(ir.Endpoint(a, node="node-a") for a in (A, B)))
    for destination, port in ((EXTERNAL, 80), ("10.0.0.4", 30080)):
        assert masqueraded(of(to(destination, port), local)) == ANYONE
        assert masqueraded(of(to(destination, port, source=C), local)) == ANYONE
        keeping = replace(local, external_traffic=ir.Traffic.LOCAL)
        assert masqueraded(of(to(destination, port), keeping)) == NO_ONE


def test_vip_traffic_is_from_outside_the_pods_if_they_are_given() -> None:
    assert masqueraded(of(to(VIP))) == ANYONE
    assert masqueraded(of(to(VIP, source=C))) == NO_ONE
    assert masqueraded(of(to(VIP), cluster=ir.Cluster())) == NO_ONE
    assert masqueraded(of(to(VIP6))) == {str(A6): False}  # no v6 pods are given


def test_everything_is_under_always_and_only_hairpins_under_never() -> None:
    always, never = (replace(WEB, masquerade=m) for m in (ir.Masquerade.ALWAYS, ir.Masquerade.NEVER))
    for destination, port in ((VIP, 80), (EXTERNAL, 80), ("10.0.0.4", 30080)):
        assert masqueraded(of(to(destination, port, source=C), always)) == ANYONE
        assert masqueraded(of(to(destination, port), never)) == NO_ONE


def test_an_endpoint_on_the_node_itself_sees_the_client() -> None:
    host = replace(WEB, endpoints=(ir.Endpoint(NODE.addresses[0]), ir.Endpoint(A)))
    for masquerade in (ir.Masquerade.AUTO, ir.Masquerade.ALWAYS):
        result = of(to(EXTERNAL), replace(host, masquerade=masquerade))
        assert masqueraded(result) == {"10.0.0.4": False, str(A): True}


@pytest.mark.parametrize("forward", [ir.Forward.DIRECT, ir.Forward.TUNNEL])
def test_nothing_is_where_packets_are_forwarded_as_they_are(forward: ir.Forward) -> None:
    service = replace(WEB, forward=forward)
    for destination, source in product((VIP, EXTERNAL), (CLIENT, A)):
        assert masqueraded(of(to(destination, source=source), service)) == NO_ONE


# ---- 9: the rest


def test_everything_else_passes_untouched() -> None:
    for packet in (to("8.8.8.8"), to(A, 8080), to(A6, 8080), to("10.0.0.4", 22), to("127.0.0.1", 80)):
        assert of(packet) is Refusal.UNTOUCHED
    assert outcome(ir.Program(), None, to(VIP)) is Refusal.UNTOUCHED


def test_it_does_not_matter_where_a_packet_comes_from_but_for_its_source() -> None:
    for destination, port in ((VIP, 80), (VIP, 22), (EXTERNAL, 80), ("10.0.0.4", 30080), ("8.8.8.8", 80)):
        packet = to(destination, port)
        assert len({of(replace(packet, vantage=vantage)) for vantage in Vantage}) == 1
