"""The remarks of a program that follows a cluster: clashes that begin and end, objects that cannot be read, labels."""

from __future__ import annotations

from collections.abc import Sequence

from support.kubernetes_objects import Object, endpoint, endpoint_slice, node, service
from svcc.compiler.importers.kubernetes.followed import Changed, Event, Followed, Kind

_HTTP: Object = {"name": "http", "port": 80, "protocol": "TCP"}


def _service(name: str, ip: str, created: str = "", node_port: int | None = None, **spec: object) -> Object:
    port = _HTTP if node_port is None else _HTTP | {"nodePort": node_port}
    some = service(name, [ip], [port], None, **spec)
    some["metadata"]["creationTimestamp"] = created or None  # type: ignore[index]
    return some


def _slice(of: str, addresses: Sequence[str]) -> Object:
    return endpoint_slice(of, "x", [_HTTP], [endpoint(address, "node-a") for address in addresses])


def _take(followed: Followed, *objects: Object) -> Changed:
    return followed.take(Event(Kind(str(some["kind"])), some) for some in objects)


def test_the_older_of_two_that_clash_is_served_and_the_other_comes_back() -> None:
    old, new = (
        _service(f"shop/{name}", "10.96.0.1", f"2026-01-0{day}T00:00:00Z") for name, day in (("z", 1), ("a", 2))
    )
    for order in ((old, new), (new, old)):
        followed = Followed()
        for some in order:
            changed = _take(followed, some)
        assert [one.name for one in followed.program.services] == ["shop/z"]
        assert [remark.reason for remark in changed.remarks] == ["10.96.0.1 port 80/tcp is served by shop/z and shop/a"]
        changed = followed.take([Event(Kind.SERVICE, old, deleted=True)])
        assert {name: one is not None for name, one in changed.services.items()} == {"shop/z": False, "shop/a": True}
        assert followed.remarks == ()


def test_an_endpoint_at_the_address_of_an_older_service_is_left_out_alone() -> None:
    followed = Followed()
    _take(followed, _service("shop/a", "10.96.0.1", "2026-01-01T00:00:00Z"), node("node-a", ["10.0.0.4"]))
    changed = _take(followed, _service("shop/b", "10.96.0.2"), _slice("shop/b", ["10.96.0.1", "100.64.0.9"]))
    found = followed.program.service("shop/b")
    assert found is not None
    assert [str(one.address) for one in found.endpoints] == ["100.64.0.9"]
    assert followed.program.service("shop/a") is not None
    assert [remark.place.object for remark in changed.remarks] == ["EndpointSlice shop/b-x"]


def test_an_object_that_cannot_be_read_is_left_out_alone() -> None:
    followed = Followed()
    _take(followed, _service("shop/a", "10.96.0.1"), _service("shop/b", "10.96.0.2"))
    changed = _take(followed, _service("shop/a", "10.96.0.1", externalTrafficPolicy="Sometimes"))
    assert changed.services == {"shop/a": None}
    assert [(remark.place.object, remark.reason) for remark in changed.remarks] == [
        ("Service shop/a", "spec.externalTrafficPolicy is `Sometimes`, and has to be Cluster or Local")
    ]
    assert set(_take(followed, _service("shop/a", "10.96.0.1")).services) == {"shop/a"}
    assert followed.remarks == ()


def test_a_label_says_whose_a_service_is() -> None:
    plain, ours = _service("shop/a", "10.96.0.1"), _service("shop/b", "10.96.0.2")
    ours["metadata"]["labels"] = {"service.kubernetes.io/service-proxy-name": "svcc"}  # type: ignore[index]
    for proxy, served in ((None, "shop/a"), ("svcc", "shop/b")):
        followed = Followed(proxy=proxy)
        _take(followed, plain, ours)
        assert [one.name for one in followed.program.services] == [served]
        (remark,) = followed.remarks
        assert remark.usual


def test_what_changes_nothing_tells_nothing() -> None:
    followed = Followed()
    some = _slice("shop/a", ["100.64.0.9", "100.64.0.19"])
    machine = node("node-a", ["10.0.0.4"])
    _take(followed, _service("shop/a", "10.96.0.1"), some, machine)
    some["endpoints"].reverse()  # type: ignore[attr-defined]
    machine["metadata"]["labels"] = {"kubernetes.io/os": "linux"}  # type: ignore[index]
    assert _take(followed, some, machine, _service("shop/a", "10.96.0.1")) == Changed({}, others=False, remarks=())


def test_load_balancers_ask_for_the_endpoints_of_this_machine() -> None:
    followed = Followed()
    local = _service("shop/a", "10.96.0.1", node_port=30080, externalTrafficPolicy="Local", healthCheckNodePort=32000)
    _take(followed, local, _service("shop/b", "10.96.0.2", node_port=30081, healthCheckNodePort=32001))
    assert followed.health_checks == {"shop/a": 32000}
    assert [one.name for one in followed.served_as("shop/a")] == ["shop/a"]
