"""A program that follows a cluster is the one that the importer makes of the same objects, whatever happened before."""

from __future__ import annotations

import json
from collections.abc import Iterator
from random import Random
from typing import TypeAlias

from hypothesis import given
from hypothesis import strategies as st

from support.kubernetes_objects import Object, cluster, endpoint, node
from svcc.compiler import ir
from svcc.compiler.checks import check
from svcc.compiler.diagnostic import Severity
from svcc.compiler.importers import importers
from svcc.compiler.importers.kubernetes.followed import Changed, Event, Followed, Kind
from svcc.compiler.importers.kubernetes.objects import object_name
from svcc.compiler.load import load_text
from svcc.compiler.printing import program_text
from svcc.compiler.source import Source

#: What there is, by kind and full name.
_Objects: TypeAlias = dict[tuple[Kind, str], Object]


def _key(some: Object) -> tuple[Kind, str]:
    return Kind(str(some["kind"])), object_name(some)


def _imported(objects: _Objects) -> ir.Program:
    text = json.dumps({"apiVersion": "v1", "kind": "List", "items": [*objects.values()]})
    return importers()["kubernetes"].read([Source("objects", text)]).program


def _told(before: ir.Program, changed: Changed) -> dict[str, ir.Service]:
    """The services before, and what was told since."""
    services = {service.name: service for service in before.services}
    for name, service in changed.services.items():
        assert services.get(name) != service, "it has not changed"
        if service is None:
            del services[name]
        else:
            services[name] = service
    return services


@given(st.integers(1, 6), st.integers(1, 12), st.randoms(use_true_random=False))
def test_what_is_followed_is_what_would_be_imported(count: int, edits: int, random: Random) -> None:
    objects: _Objects = {_key(some): _dated(some, random) for some in cluster(count, random)}
    followed = Followed()
    remarks = [*followed.take(Event(kind, some) for (kind, _), some in objects.items()).remarks]
    assert followed.program == _imported(objects)
    for _ in range(edits):
        before = followed.program
        changed = _edited(followed, objects, random)
        after = followed.program
        assert after == _imported(objects)
        assert _told(before, changed) == {service.name: service for service in after.services}
        assert changed.others == ((before.cluster, before.nodes) != (after.cluster, after.nodes))
        remarks += changed.remarks
        assert {*followed.remarks} <= {*remarks}
    assert not [found for found in check(followed.program) if found.severity is Severity.ERROR]
    assert load_text(Source("program", program_text(after, by_name=True))).program == after
    fresh = Followed()
    for kind in random.sample([*Kind], len(Kind)):
        fresh.replace(kind, _shuffled([some for (k, _), some in objects.items() if k is kind], random))
    assert fresh.program == after
    assert {*fresh.remarks} == {*followed.remarks}
    assert not fresh.replace(Kind.SERVICE, [some for (k, _), some in objects.items() if k is Kind.SERVICE])


def _shuffled(objects: list[Object], random: Random) -> list[Object]:
    random.shuffle(objects)
    return objects


def _dated(some: Object, random: Random) -> Object:
    """Created at one of a few times, or nobody knows when."""
    if random.random() < 0.7:
        _part(some, "metadata")["creationTimestamp"] = f"2026-01-0{random.randrange(1, 4)}T00:00:00Z"
    return some


def _edited(followed: Followed, objects: _Objects, random: Random) -> Changed:
    """Objects come, change and go; or a list says anew what there is of a kind."""
    if random.random() < 0.2:
        kind = random.choice([*Kind])
        for key in [key for key in objects if key[0] is kind and random.random() < 0.3]:
            del objects[key]
        return followed.replace(kind, [some for (k, _), some in objects.items() if k is kind])
    return followed.take(event for _ in range(random.choice((1, 1, 3))) for event in _events(objects, random))


def _events(objects: _Objects, random: Random) -> Iterator[Event]:
    if not objects or random.random() < 0.15:
        for some in cluster(1, random):
            objects[_key(some)] = _dated(some, random)
            yield Event(_key(some)[0], some)
        return
    key = random.choice([*objects])
    if random.random() < 0.2:
        yield Event(key[0], objects.pop(key), deleted=True)
        return
    changed: Object = json.loads(json.dumps(objects[key]))
    _EDITS[key[0]](changed, objects, random)
    objects[key] = changed
    yield Event(key[0], changed)


def _part(some: Object, *keys: str) -> Object:
    """An object in an object."""
    for key in keys:
        found = some[key]
        assert isinstance(found, dict)
        some = found
    return some


def _addresses(objects: _Objects, random: Random) -> list[str]:
    """Some address that stands anywhere, so that roles clash."""
    found = ["10.0.0.1", "127.0.0.1", "100.64.0.0", "fd00::1"]
    for (kind, _), some in objects.items():
        if kind is Kind.SERVICE:
            spec = _part(some, "spec")
            found += [*spec["clusterIPs"], *spec.get("externalIPs", [])]  # type: ignore[misc]
        if kind is Kind.ENDPOINT_SLICE:
            found += [address for e in some["endpoints"] for address in e["addresses"]]  # type: ignore[attr-defined]
    return random.sample([address for address in found if address != "None"], random.choice((1, 1, 2)))


def _edit_service(some: Object, objects: _Objects, random: Random) -> None:
    spec = _part(some, "spec")
    match random.randrange(7):
        case 0:
            spec["clusterIPs"] = _addresses(objects, random)[:1]
        case 1:
            spec["externalIPs"] = _addresses(objects, random)
        case 2:
            some["status"] = {"loadBalancer": {"ingress": [{"ip": ip} for ip in _addresses(objects, random)]}}
        case 3:
            ports = spec["ports"]
            assert isinstance(ports, list)
            ports[0]["nodePort"] = random.choice((30000, 30001, 1500))
        case 4:
            ports = spec["ports"]
            assert isinstance(ports, list)
            ports[-1]["port"] = random.choice((80, 81, 30000))
        case 5:
            spec["internalTrafficPolicy"] = random.choice(("Cluster", "Local"))
        case _:
            labels = _part(some, "metadata", "labels")
            labels["service.kubernetes.io/service-proxy-name"] = random.choice((None, "mesh"))


def _edit_slice(some: Object, objects: _Objects, random: Random) -> None:
    endpoints = some["endpoints"]
    assert isinstance(endpoints, list)
    match random.randrange(4):
        case 0:
            host = random.choice(("node-0", "node-1", "node-gone"))
            endpoints.append(endpoint(random.choice(_addresses(objects, random)), host))
        case 1 if endpoints:
            endpoints.pop(random.randrange(len(endpoints)))
        case 2:
            names = [name.split("/")[1] for kind, name in objects if kind is Kind.SERVICE]
            _part(some, "metadata", "labels")["kubernetes.io/service-name"] = random.choice([*names, "nobody"])
        case _:
            random.shuffle(endpoints)


def _edit_node(some: Object, objects: _Objects, random: Random) -> None:
    match random.randrange(3):
        case 0:
            _part(some, "spec")["podCIDRs"] = [random.choice(("100.64.0.0/10", "10.9.0.0/24", "100.64.0.0/24"))]
        case 1:
            _part(some, "metadata", "labels")["topology.kubernetes.io/zone"] = random.choice(("eu-1a", "eu-1b"))
        case _:
            name = str(_part(some, "metadata")["name"])
            some["status"] = node(name, _addresses(objects, random))["status"]


_EDITS = {Kind.SERVICE: _edit_service, Kind.ENDPOINT_SLICE: _edit_slice, Kind.NODE: _edit_node}
