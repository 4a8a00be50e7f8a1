"""One memory of clients for all ports and addresses of a service: what the rules of the targets that can do."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from support.bundles import refusal
from support.equivalence import Case
from support.nft_programs import program
from support.packets import packets
from svcc.compiler import ir
from svcc.compiler.checks import check
from svcc.compiler.codes import Code
from svcc.compiler.features import Feature
from svcc.targets import targets
from svcc.targets.capability import check_target
from svcc.targets.interface import Target

TEXT = """
cluster { prefix CUSTOM; nodeports 30000-30099 }
node one { address 10.0.0.4 fd00:10::4 }
service shop { vip 198.19.10.0 fd00:19::10; external-ip 203.0.113.7; affinity client-ip 90s per service SCHEDULER
               port a 80/tcp -> 8080 nodeport 30080; port b 443/tcp; port c 443/udp; port d 5000-5002/udp
               endpoints { 100.64.0.9; 100.64.0.19; fd00:64::9; fd00:64::19 } }
service other { vip 198.19.10.1; affinity client-ip 90s per service
                port 80/tcp; endpoints { 100.64.0.9; 100.64.0.19 } }
"""
_EACH = pytest.mark.parametrize(
    "target",
    [target for target in targets().values() if target.loads and Feature.AFFINITY_PER_SERVICE in target.features],
    ids=lambda target: target.name,
)


def case(target: Target, wanted: ir.Program, rendered: ir.Program | None = None) -> list[str]:
    """What is wrong with the rules of a program (of another, where one is given) for the clients of ``wanted``."""
    made = Case(target, wanted, wanted.nodes[0])
    kernel = made.load(target.render(rendered or wanted, wanted.nodes[0]))
    some = list(packets(wanted, wanted.nodes[0]))
    return [*made.companions(kernel, some), *made.strangers(kernel, some[::5])]


@_EACH
@pytest.mark.parametrize("scheduler", ["", "; scheduler rr"])
def test_a_client_has_one_endpoint_through_a_whole_service_and_no_other(target: Target, scheduler: str) -> None:
    assert case(target, program(TEXT.replace("SCHEDULER", scheduler))) == []


@_EACH
def test_an_endpoint_with_a_port_of_its_own_is_one_through_a_whole_range(target: Target) -> None:
    wanted = program("""
        node one { address 10.0.0.4 }
        service range { vip 198.19.10.2; affinity client-ip 90s per service
                        port 80-82/tcp; endpoints { 100.64.0.9; 100.64.0.19:9443 } }
    """)
    assert case(target, wanted) == []
    assert refusal(str(target.render(wanted, wanted.nodes[0])), target) is None


@_EACH
def test_with_a_memory_for_each_port_it_has_several(target: Target) -> None:
    wanted = program(TEXT.replace("SCHEDULER", ""))
    apart = tuple(replace(service, affinity_per_service=False) for service in wanted.services)
    assert case(target, wanted, replace(wanted, services=apart))


def test_ipvs_says_why_it_cannot() -> None:
    wanted = program(TEXT.replace("SCHEDULER", ""))
    found = check_target(wanted, targets()["ipvs"], wanted.nodes[0])
    assert [diagnostic.code.id for diagnostic in found] == ["SVC060", "SVC060"]
    assert "the whole packet mark" in found[0].message
    assert found[0].hint == "`iptables` and `nft` can"


@pytest.mark.parametrize(
    ("without", "refused"),
    [
        ({}, True),
        ({"external_ips": ()}, True),  # node ports are left
        ({"vips": ()}, False),  # nobody comes from inside
        ({"internal_traffic": ir.Traffic.PREFER_LOCAL}, False),
        ({"affinity_per_service": False}, False),
    ],
)
def test_other_endpoints_from_outside_are_refused(without: dict[str, Any], refused: bool) -> None:
    wanted = program(TEXT.replace("SCHEDULER", ""))
    shop = replace(wanted.services[1], external_traffic=ir.Traffic.PREFER_LOCAL)
    found = check(replace(wanted, services=(replace(shop, **without),)))
    assert [one.code.id for one in found if one.code is Code.ONE_MEMORY] == ["SVC058"] * refused


@_EACH
def test_its_bundles_are_taken(target: Target) -> None:
    wanted = program(TEXT.replace("SCHEDULER", ""))
    assert refusal(str(target.render(wanted, wanted.nodes[0])), target) is None
