"""What is compiled for many nodes at once is, byte for byte, what is compiled for each of them alone."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from support.strategies import programs_for
from svcc.compiler import ir
from svcc.targets import targets
from svcc.targets.bundle import bundle_text
from svcc.targets.interface import Target
from svcc.targets.many_nodes import for_nodes

_LOADED = [target for target in targets().values() if target.loads]
_TARGETS = pytest.mark.parametrize("target", _LOADED, ids=lambda target: target.name)
_SETTINGS = settings(suppress_health_check=[HealthCheck.too_slow])
_TRAFFIC = (ir.Traffic.CLUSTER, ir.Traffic.PREFER_ZONE, ir.Traffic.LOCAL, ir.Traffic.PREFER_LOCAL)


@st.composite
def _fleets(draw: st.DrawFn, target: Target) -> ir.Program:
    """A program with more nodes, in few zones, that have shared addresses and endpoints of its services."""
    program, _ = draw(programs_for(target, max_services=5))
    shared = sorted({address for service in program.services for address in service.shared}, key=str)
    places = sorted({*shared, *(one for node in program.nodes for one in node.addresses)}, key=str)
    nodes = list(program.nodes)
    for number in range(draw(st.integers(2, 6))):
        addresses = draw(st.lists(st.sampled_from(places), unique=True, max_size=3))
        nodes.append(ir.Node(f"node-{number}", tuple(addresses), draw(st.sampled_from((None, "eu-1a", "zone")))))
    names = [None, *(node.name for node in nodes[:3])]  # the others see what is near from their zone alone

    def near(service: ir.Service) -> ir.Service:
        endpoints = tuple(replace(one, node=draw(st.sampled_from(names))) for one in service.endpoints)
        if service.scheduler is ir.Scheduler.DH:
            return replace(service, endpoints=endpoints)
        external, internal = (draw(st.sampled_from(_TRAFFIC)) for _ in range(2))
        return replace(service, endpoints=endpoints, external_traffic=external, internal_traffic=internal)

    return replace(program, nodes=tuple(nodes), services=tuple(map(near, program.services)))


@_TARGETS
@_SETTINGS
@given(data=st.data())
def test_each_node_gets_what_is_compiled_for_it_alone(target: Target, data: st.DataObject) -> None:
    program = data.draw(_fleets(target))
    found = {}
    for alike in for_nodes(program, target, program.nodes):
        assert alike.bundle == target.render(program, alike.nodes[0])
        for node in alike.nodes:
            assert node.name not in found
            found[node.name] = bundle_text(replace(alike.bundle, node=node.name))
    assert found == {node.name: bundle_text(target.render(program, node)) for node in program.nodes}
