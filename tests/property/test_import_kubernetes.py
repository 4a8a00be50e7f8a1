"""What holds for every cluster's objects: their order means nothing, and what comes of them passes `svcc check`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from ipaddress import ip_address
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.kubernetes_objects import Object, as_yaml, cluster
from support.soundness import assert_inside, assert_reportable
from svcc.commands.import_ import findings
from svcc.compiler import ir
from svcc.compiler.diagnostic import Severity
from svcc.compiler.importers import importers
from svcc.compiler.importers.interface import Broken, Imported
from svcc.compiler.importers.kubernetes.mapping import services_of
from svcc.compiler.importers.kubernetes.nodes import node_of
from svcc.compiler.importers.kubernetes.objects import read_node, read_service, read_slice
from svcc.compiler.importers.sound import sound
from svcc.compiler.load import load_text
from svcc.compiler.printing import program_text
from svcc.compiler.source import Source


def imported(text: str) -> Imported:
    return sound(importers()["kubernetes"].read([Source("objects", text)]), findings)


def printed(text: str) -> str:
    found = imported(text)
    return program_text(found.program, by_name=found.by_name)


def shuffled(objects: list[Object], random: Random) -> list[Object]:
    """The same objects, their endpoints and the ports of their slices in another order."""
    copy: list[Object] = json.loads(json.dumps(objects))
    random.shuffle(copy)
    for some in copy:
        for key in ("endpoints", "ports") if some["kind"] == "EndpointSlice" else ():
            listed = some[key]
            assert isinstance(listed, list)
            random.shuffle(listed)
    return copy


@given(st.integers(0, 12), st.randoms(use_true_random=False))
def test_the_order_of_objects_and_endpoints_means_nothing(count: int, random: Random) -> None:
    objects = cluster(count, random)
    first = printed(as_yaml(objects))
    assert printed(as_yaml(shuffled(objects, random))) == first
    # two that clash: which one is left out does not depend on which comes first
    twins = [*objects, *(_twin(some) for some in objects if some["kind"] == "Service")]
    assert printed(as_yaml(twins)) == printed(as_yaml(shuffled(twins, random)))


def _twin(some: Object) -> Object:
    """A service of another name and the same addresses."""
    copy: Object = json.loads(json.dumps(some))
    metadata = copy["metadata"]
    assert isinstance(metadata, dict)
    metadata["name"] = f"{metadata['name']}-twin"
    return copy


@given(st.integers(0, 12), st.randoms(use_true_random=False))
def test_json_and_yaml_are_one(count: int, random: Random) -> None:
    objects = cluster(count, random)
    text = json.dumps({"apiVersion": "v1", "kind": "List", "items": objects}, indent=1)
    assert printed(text) == printed(as_yaml(objects))


@given(st.integers(1, 12), st.randoms(use_true_random=False))
def test_one_service_at_a_time_gives_what_all_together_give(count: int, random: Random) -> None:
    """So an agent that hears of one slice's change has to look at one service."""
    objects = cluster(count, random)
    nodes = [read_node(some) for some in objects if some["kind"] == "Node"]
    names = {node.name for node in nodes}
    slices = [read_slice(some) for some in objects if some["kind"] == "EndpointSlice"]
    services: list[ir.Service] = []
    for service in (read_service(some) for some in objects if some["kind"] == "Service"):
        own = [some for some in slices if some.service == service.name]
        services += services_of(service, own, names).services
    found = imported(as_yaml(objects)).program
    assert sorted(services, key=lambda service: service.name) == list(found.services)
    assert {node_of(node)[0] for node in nodes} == set(found.nodes)


@given(st.integers(1, 12), st.randoms(use_true_random=False))
def test_every_ready_endpoint_of_every_port_is_there(count: int, random: Random) -> None:
    """Counted from the objects themselves: no service, port or endpoint is lost or made up."""
    objects = cluster(count, random)
    wanted: dict[tuple[str, str], set[tuple[str, int]]] = {}
    fronts: dict[tuple[str, str], object] = {}
    for some in objects:
        if some["kind"] == "Service":
            for port in some["spec"]["ports"]:  # type: ignore[index]
                wanted[_name(some), port["name"]] = set()
                fronts[_name(some), port["name"]] = port["protocol"], port["port"], port.get("nodePort")
    for some in objects:
        if some["kind"] == "EndpointSlice":
            owner = f"{some['metadata']['namespace']}/{some['metadata']['labels']['kubernetes.io/service-name']}"  # type: ignore[index]
            ready = [e for e in some["endpoints"] if e["conditions"]["ready"]]  # type: ignore[attr-defined]
            for port in some["ports"]:  # type: ignore[attr-defined]
                wanted[owner, port["name"]] |= {(str(ip_address(e["addresses"][0])), port["port"]) for e in ready}
    found = {
        (_owner(service, port), str(port.name)): (service, port)
        for service in imported(as_yaml(objects)).program.services
        for port in service.ports
    }
    assert found.keys() == wanted.keys()
    for key, (service, port) in found.items():
        ready = [endpoint for endpoint in service.endpoints if endpoint.weight]
        assert {(str(e.address), e.port or port.target) for e in ready} == wanted[key]
        node_port = None if port.nodeport is None else port.nodeport.first
        assert (port.protocol.upper(), port.ports.first, node_port) == fronts[key]


#: What may stand anywhere, and should hardly anywhere.
_ODD: tuple[object, ...] = (
    *(None, True, 0, -1, 80, 65_536, 10**30, 1.5, "", "None", "web", "on", "TCP", "é", "\x1b", "x" * 300),
    *("10.0.0.1", "127.0.0.1", "fd00::1", "fe80::1%eth0", "::ffff:10.0.0.1", "224.0.0.1", "0.0.0.0", "10.0.0.0/8"),
    *([], {}, [None], [{}], {"": None}, ["10.0.0.1"], [["10.0.0.1"]], {"ip": "10.0.0.1"}),
)


@given(st.integers(1, 3), st.integers(1, 4), st.randoms(use_true_random=False))
def test_whatever_stands_anywhere(count: int, changes: int, random: Random) -> None:
    """It is answered by a finding with its place, or by a program that passes `svcc check`."""
    objects = json.loads(json.dumps(cluster(count, random)))
    for _ in range(changes):
        holder, key = random.choice([*_places(objects)])
        holder[key] = json.loads(json.dumps(random.choice(_ODD)))
    text = json.dumps({"apiVersion": "v1", "kind": "List", "items": objects})
    found = _answer(text)
    if isinstance(found, Broken):
        assert_reportable(found.diagnostics)
        assert all(d.span is not None for d in found.diagnostics)
        return
    assert not [d for d in findings(found.program) if d.severity is Severity.ERROR]
    loaded = load_text(Source("program", program_text(found.program, by_name=True)))
    assert loaded.program == found.program
    for note in found.notes:
        assert_inside(note.span)


def _answer(text: str) -> Imported | Broken:
    try:
        return imported(text)
    except Broken as broken:
        return broken


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every place in a value where another could stand: what holds it, and under which key."""
    for key in value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ():
        yield value, key
        yield from _places(value[key])


def _name(some: Mapping[str, object]) -> str:
    metadata = some["metadata"]
    assert isinstance(metadata, dict)
    return f"{metadata['namespace']}/{metadata['name']}"


def _owner(service: ir.Service, port: ir.Port) -> str:
    """The Service of which a service is a part."""
    parts = service.name.split("/")
    assert len(parts) == 2 or parts[2:] == [port.name]
    return "/".join(parts[:2])


@pytest.mark.parametrize("seed", range(2))
def test_two_hundred_services(seed: int) -> None:
    """As `kubectl get svc,endpointslices,nodes -A -o yaml` prints them. Nothing is left out but what is not ready."""
    objects = cluster(200, Random(seed))
    found = imported(as_yaml(objects))
    names = {"/".join(service.name.split("/")[:2]) for service in found.program.services}
    assert names == {_name(some) for some in objects if some["kind"] == "Service"}
    assert not [d for d in findings(found.program) if d.severity is Severity.ERROR]
    assert found.notes
    assert all(note.reason.startswith("endpoint ") and note.reason.endswith(" is not ready") for note in found.notes)
