"""The layout of a lab, which depends only on the program."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address, ip_network

from hypothesis import given

from support import strategies
from support.lab_programs import OTHER_POD, POD, POD6, VIP, VIP6, port, program
from svcc.compiler import ir
from svcc.verify.lab import LabHost, Listener
from svcc.verify.lab.layout import Layout, plan

ANY, ANY6 = ip_address("0.0.0.0"), ip_address("::")


def _host(layout: Layout, name: str) -> LabHost:
    return next(host for host in layout.hosts if host.name == name)


def test_a_pod_for_every_endpoint_and_a_server_for_every_port() -> None:
    layout = plan(program(port(80, target=8080), port(53, "udp")), None)
    assert [(host.name, host.addresses) for host in layout.pods] == [
        ("100.64.0.9", (POD,)),
        ("100.64.0.19", (OTHER_POD,)),
        ("fd00:64::9", (POD6,)),
    ]
    assert layout.listeners == tuple(
        Listener(str(pod), str(pod), protocol, anywhere, number)
        for pod, anywhere in ((POD, ANY), (OTHER_POD, ANY), (POD6, ANY6))
        for protocol, number in ((ir.Protocol.TCP, 8080), (ir.Protocol.UDP, 53))
    )


def test_ranges_and_ports_of_an_endpoint_s_own() -> None:
    ranged = program(port(5000, "udp", target=6000, last=5002))
    assert [item.port for item in plan(ranged, None).listeners] == [6000, 6001, 6002] * 3
    service = program(port(80)).services[0]
    own = replace(service, endpoints=(ir.Endpoint(POD), ir.Endpoint(POD, port=9443), ir.Endpoint(POD, port=80)))
    assert [item.port for item in plan(ir.Program(services=(own,)), None).listeners] == [80, 9443]


def test_the_chosen_node_and_another_as_its_peer() -> None:
    node_a = ir.Node("node-a", (ip_address("10.0.0.4"), ip_address("10.0.0.5")))
    node_b = ir.Node("node-b", (ip_address("10.0.0.6"),))
    layout = plan(ir.Program(nodes=(node_a, node_b)), node_b)
    assert layout.node == ir.Node("node-b", (*node_b.addresses, ip_address("fd5c:1ab::1")))
    assert _host(layout, "peer").addresses == (*node_a.addresses, ip_address("fd5c:1ab::2"))


def test_an_endpoint_on_the_node_itself_is_no_pod() -> None:
    node = ir.Node("node-a", (ip_address("10.0.0.4"),))
    service = ir.Service("host", ports=(port(80, target=8080),), endpoints=(ir.Endpoint(node.addresses[0]),))
    layout = plan(ir.Program(nodes=(node,), services=(service,)), node)
    assert layout.pods == ()
    assert layout.listeners == (Listener("node", "10.0.0.4", ir.Protocol.TCP, node.addresses[0], 8080),)
    # Under direct routing the node, being an endpoint, takes packets as clients send them.
    direct = replace(service, vips=(VIP, VIP6), ports=(port(80),), forward=ir.Forward.DIRECT)
    layout = plan(ir.Program(nodes=(node,), services=(direct,)), node)
    assert layout.listeners == (Listener("node", "10.0.0.4", ir.Protocol.TCP, VIP, 80, early=True),)


def test_the_client_is_inside_allow_from_and_the_stranger_is_not() -> None:
    allowed = (ip_network("10.0.0.0/8"), ip_network("192.0.2.0/24"), ip_network("2001:db8:100::/48"))
    service = replace(program(port(80)).services[0], allow_from=allowed)
    cluster = ir.Cluster(pods=(ip_network("10.255.0.0/16"),))
    layout = plan(ir.Program(cluster, services=(service,)), None)
    assert _host(layout, "client").addresses == (
        ip_address("192.0.2.254"),  # the end of 10.0.0.0/8 is pods
        ip_address("2001:db8:100:ffff:ffff:ffff:ffff:fffe"),
    )
    assert not any(address in network for address in _host(layout, "stranger").addresses for network in allowed)


def test_a_node_that_the_program_does_not_give_serves_its_node_ports() -> None:
    serving = (ip_network("10.9.0.0/24"), ip_network("fd09::/64"))
    layout = plan(ir.Program(ir.Cluster(nodeport_addresses=serving)), None)
    assert [address in network for address, network in zip(layout.node.addresses, serving, strict=True)] == [True, True]


def test_clients_of_the_caller_s() -> None:
    layout = plan(ir.Program(), None, {"client": (ip_address("8.8.8.8"),), "far": (ip_address("2001:db8::8"),)})
    assert [(host.name, host.addresses) for host in layout.hosts if host.name in ("client", "far")] == [
        ("client", (ip_address("8.8.8.8"),)),
        ("far", (ip_address("2001:db8::8"),)),
    ]


def test_pods_of_direct_routing_take_the_vips_of_their_family_as_their_own() -> None:
    direct = plan(program(port(80), forward=ir.Forward.DIRECT), None)
    assert [(host.vips, host.tunnel) for host in direct.pods] == [((VIP,), False), ((VIP,), False), ((VIP6,), False)]
    tunnel = plan(program(port(80), forward=ir.Forward.TUNNEL), None)
    assert [(host.vips, host.tunnel) for host in tunnel.pods] == [((VIP,), True), ((VIP,), True), ((VIP6,), True)]


@given(strategies.programs())
def test_no_address_stands_for_two_things(program: ir.Program) -> None:
    for node in (None, *program.nodes):
        layout = plan(program, node)
        every = [*layout.node.addresses, *layout.gateways, *layout.routers]
        every += [address for host in layout.hosts for address in host.addresses]
        vips = {a for service in program.services for a in (*service.vips, *service.external_ips)}
        assert len(every) == len(set(every))
        assert not vips & set(every)


@given(strategies.programs())
def test_every_endpoint_has_its_server(program: ir.Program) -> None:
    layout = plan(program, None)
    served = {(item.where, item.protocol, item.port) for item in layout.listeners}
    for service in program.services:
        for endpoint in service.endpoints:
            for declared in service.ports:
                first = declared.target if endpoint.port is None else endpoint.port
                where = layout.places[endpoint.address]
                assert {(where, declared.protocol, first + n) for n in range(len(declared.ports))} <= served


def test_pods_are_numbered_by_their_addresses() -> None:
    titles = plan(program(port(80)), None).titles
    assert {titles[str(pod)] for pod in (POD, OTHER_POD, POD6)} == {"pod-1", "pod-2", "pod-3"}
    assert (titles["100.64.0.9"], titles["100.64.0.19"], titles["fd00:64::9"]) == ("pod-1", "pod-2", "pod-3")
    assert titles["client"] == "client"
