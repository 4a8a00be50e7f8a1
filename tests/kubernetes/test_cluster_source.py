"""What an agent makes of a cluster: nothing before all is known, and then what there is, also when servers go."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from ipaddress import ip_address
from itertools import count
from typing import Any

import pytest

from support.followed_news import QUICK
from support.kubernetes_double import Cluster, Server, served
from support.kubernetes_objects import endpoint, endpoint_slice, node, service
from support.waiting import LID
from svcc.agent.cluster import ClusterSource, findings_on
from svcc.agent.log import Log
from svcc.agent.own_addresses import OwnAddresses
from svcc.compiler import ir
from svcc.compiler.features import Feature
from svcc.compiler.importers.kubernetes.followed import Event, Kind
from svcc.compiler.importers.kubernetes.followed import Followed as KubernetesFollowed
from svcc.kubernetes_api.access import Access
from svcc.targets import targets
from svcc.targets.capability import check_target
from svcc.targets.interface import Target

_PORT = {"name": "http", "protocol": "TCP", "port": 80, "targetPort": 8080}
_SLICE_PORT = {"name": "http", "protocol": "TCP", "port": 8080}


class Followed:
    """A source, and what it has said so far."""

    def __init__(self, server: Server, source: ClusterSource, changed: asyncio.Event) -> None:
        self.server, self.cluster, self.source = server, server.cluster, source
        self._changed = changed

    async def until(self, condition: Callable[[ir.Program | None], bool]) -> ir.Program | None:
        """Read as often as something changed, until the program is as it should be."""
        async with asyncio.timeout(LID):
            while not condition(program := self.source.read()):
                await self._changed.wait()
                self._changed.clear()
        return program

    async def lost(self) -> None:
        async with asyncio.timeout(LID):
            while not self.source.fault:  # noqa: ASYNC110 - nothing tells when a source has a fault
                await asyncio.sleep(0.01)


def follow(
    cluster: Cluster, work: Callable[[Followed], Awaitable[None]], own: Mapping[ir.Address, str] | None = None
) -> None:
    """``own``: the machine's addresses, with their devices; they may change meanwhile."""
    now = count(step=60.0)  # so that the machine is looked at whenever it is asked for

    async def followed() -> None:
        async with served(cluster) as server:
            changed, log = asyncio.Event(), Log(as_json=True)
            addresses = OwnAddresses("SVCC", log, lambda: dict(own or {}), lambda: next(now))
            access = Access(f"http://127.0.0.1:{server.port}")
            source = ClusterSource(access, "a", log, times=QUICK, own=addresses)
            task = asyncio.create_task(source.follow(changed.set))
            try:
                await work(Followed(server, source, changed))
            finally:
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task

    asyncio.run(followed())


def shop(*services: str) -> Cluster:
    cluster = Cluster()
    cluster.put("nodes", node("a", ["10.0.0.4"]))
    for number, name in enumerate(services):
        cluster.put("services", service(f"shop/{name}", [f"198.18.0.{number + 1}"], [_PORT]))
        slice = endpoint_slice(f"shop/{name}", "1", [_SLICE_PORT], [endpoint(f"100.64.0.{number + 1}", "a")])
        cluster.put("endpointslices", slice)
    return cluster


def names(program: ir.Program | None) -> list[str] | None:
    return None if program is None else [one.name for one in program.services]


def test_nothing_is_said_before_all_kinds_of_objects_are_known() -> None:
    cluster = shop("web")
    cluster.forbidden.add("nodes")

    async def work(followed: Followed) -> None:
        await followed.lost()
        assert followed.source.read() is None
        assert followed.source.fault.startswith("/api/v1/nodes: 403 Forbidden: nodes is forbidden: User")
        cluster.forbidden.clear()
        program = await followed.until(lambda program: program is not None)
        assert names(program) == ["shop/web"]
        assert program is not None
        assert (program.cluster.prefix, [one.name for one in program.nodes]) == ("SVCC", ["a"])
        assert followed.source.fault == ""
        assert followed.source.read() is program  # nothing was heard since

    follow(cluster, work)


def test_an_address_of_the_machines_own_is_left_out_alone(capsys: pytest.CaptureFixture[str]) -> None:
    """As that of the cluster's DNS where NodeLocal DNSCache answers for it."""
    cluster, own = shop("dns", "web"), {ip_address("198.18.0.1"): "nodelocaldns"}
    port = {**_PORT, "nodePort": 30080}
    cluster.put("services", service("shop/open", ["198.18.0.3"], [port], type="NodePort"))
    own[ip_address("198.18.0.3")] = "kube-ipvs0"

    async def work(followed: Followed) -> None:
        program = await followed.until(lambda program: names(program) == ["shop/open", "shop/web"])
        assert program is not None
        assert [one.vips for one in program.services] == [(), (ip_address("198.18.0.2"),)]
        assert not followed.source.changed()
        assert followed.source.read() is program
        own.clear()
        assert followed.source.changed()
        assert names(followed.source.read()) == ["shop/dns", "shop/open", "shop/web"]

    follow(cluster, work, own)
    said = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    left_out = [
        (one["service"], one["device"]) for one in said if "the machine's own" in one["event"] and "device" in one
    ]
    assert left_out == [("shop/dns", "nodelocaldns"), ("shop/open", "kube-ipvs0")]


def test_what_went_while_the_server_was_away_is_gone() -> None:
    cluster = shop("dns", "web")

    async def work(followed: Followed) -> None:
        await followed.until(lambda program: names(program) == ["shop/dns", "shop/web"])
        await followed.server.stop()
        await followed.lost()
        assert names(followed.source.read()) == ["shop/dns", "shop/web"]
        cluster.delete("services", "shop/dns")
        cluster.delete("endpointslices", "shop/dns-1")
        cluster.compact()
        await followed.server.start()
        await followed.until(lambda program: names(program) == ["shop/web"])

    follow(cluster, work)


def test_a_change_makes_other_objects_of_its_service_alone() -> None:
    cluster = shop("dns", "web")

    async def work(followed: Followed) -> None:
        before = await followed.until(lambda program: names(program) == ["shop/dns", "shop/web"])
        cluster.put("endpointslices", endpoint_slice("shop/web", "1", [_SLICE_PORT], [endpoint("100.64.0.9", "a")]))
        followed.server.moved()
        after = await followed.until(lambda program: program != before)
        assert before is not None
        assert after is not None
        assert after.services[0] is before.services[0]
        assert [str(one.address) for one in after.services[1].endpoints] == ["100.64.0.9"]

    follow(cluster, work)


def test_what_cannot_be_served_is_told_with_its_object(capsys: pytest.CaptureFixture[str]) -> None:
    """The others are served. What is told once is not told again."""
    cluster = shop("web")
    cluster.put("services", service("shop/odd", ["198.18.0.9"], [{**_PORT, "protocol": "QUIC"}]))
    cluster.put("services", {"metadata": {"namespace": "shop", "name": "broken"}, "spec": {"ports": 5}})

    async def work(followed: Followed) -> None:
        await followed.until(lambda program: names(program) == ["shop/web"])
        cluster.put("services", service("shop/more", ["198.18.0.3"], [_PORT]))
        followed.server.moved()
        await followed.until(lambda program: names(program) == ["shop/more", "shop/web"])

    follow(cluster, work)
    said: list[dict[str, Any]] = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    told = [(one["object"], one.get("field")) for one in said if one["event"] == "not served as the cluster has it"]
    assert sorted(told, key=str) == [
        ("Service shop/broken", "spec.ports"),
        ("Service shop/odd", "spec.ports"),
        ("Service shop/odd", "spec.ports[0].protocol"),
    ]


@pytest.mark.parametrize("target", [one for one in targets().values() if one.loads], ids=lambda target: target.name)
def test_a_service_that_breaks_a_rule_of_the_target_is_left_out_alone(target: Target) -> None:
    """Each target as it would be without affinity: what its rules are is its own affair."""
    features = {feature: how for feature, how in target.features.items() if feature is not Feature.AFFINITY}
    plainer: Target = type("Plainer", (type(target),), {"features": features})()
    followed = KubernetesFollowed(findings_on(plainer, "a"))
    some = service("shop/odd", ["198.18.0.9"], [{**_PORT, "nodePort": 30080}], sessionAffinity="ClientIP")
    cluster = [service("shop/web", ["198.18.0.1"], [{**_PORT, "nodePort": 30081}], externalTrafficPolicy="Local"), some]
    changed = followed.take(Event(Kind.SERVICE, one) for one in cluster)
    assert names(followed.program) == ["shop/web"]
    assert [(one.place.object, one.reason) for one in changed.remarks] == [
        ("Service shop/odd", f"target {target.name} cannot express `affinity client-ip` (service shop/odd)")
    ]
    assert check_target(followed.program, plainer, ir.Node("a", ())) == []
    assert check_target(followed.program, target, ir.Node("a", ())) == []
    some["spec"]["sessionAffinity"] = "None"  # type: ignore[index]
    followed.take([Event(Kind.SERVICE, some)])
    assert names(followed.program) == ["shop/odd", "shop/web"]
    assert followed.remarks == ()
