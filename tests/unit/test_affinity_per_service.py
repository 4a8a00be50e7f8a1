"""An affinity for all ports and addresses of a service: the rules of the targets that can express it."""

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
from svcc.compiler.importers.words import text_of
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
_ALL = [target for target in targets().values() if target.loads and Feature.AFFINITY_PER_SERVICE in target.features]
_EACH = pytest.mark.parametrize("target", _ALL, ids=lambda target: target.name)


def text(target: Target, scheduler: str = "") -> str:
    """With endpoints that listen on the service's ports, for targets that do not translate."""
    found = TEXT.replace("SCHEDULER", scheduler)
    return found if target.translates else found.replace("80/tcp -> 8080 nodeport 30080", "30080/tcp nodeport 30080")


def case(target: Target, wanted: ir.Program, rendered: ir.Program | None = None) -> list[str]:
    """What is wrong with the rules of a program (of another, where one is given) for the clients of ``wanted``."""
    made = Case(target, wanted, wanted.nodes[0])
    kernel = made.load(target.render(rendered or wanted, wanted.nodes[0]))
    some = list(packets(wanted, wanted.nodes[0]))
    return [*made.companions(kernel, some), *made.strangers(kernel, some[::5])]


@_EACH
@pytest.mark.parametrize("scheduler", ["", "; scheduler rr"])
def test_a_client_has_one_endpoint_through_a_whole_service_and_no_other(target: Target, scheduler: str) -> None:
    assert case(target, program(text(target, scheduler))) == []


@pytest.mark.parametrize("target", [target for target in _ALL if target.translates], ids=lambda target: target.name)
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
    wanted = program(text(target))
    apart = tuple(replace(service, affinity_per_service=False) for service in wanted.services)
    assert case(target, wanted, replace(wanted, services=apart))


#: A service, and what is changed by it, with the place that ipvs names.
_CHANGED = {
    "vip 198.19.10.0; port 80/tcp -> 8080": "8080: port 80 would reach endpoints there, not at port 8080",
    "vip 198.19.10.0; port 80/tcp nodeport 30080": "30080: node port 30080 would reach endpoints there, not at port 80",
    "port 80/tcp nodeport 30080": "30080: node port 30080 would reach endpoints there, not at port 80",
    "vip 198.19.10.0; port a 80/tcp; port b 5000-5002/udp -> 6000": (
        "6000: port 5000-5002 would reach endpoints there, not at port 6000"
    ),
    "vip 198.19.10.0; port 80/tcp; endpoints x { 100.64.0.7:81 }": (
        "100.64.0.7:81: port 80 would reach endpoints there, not at port 81"
    ),
    "port 30080/tcp nodeport 30080": "",
    "vip 198.19.10.0; port a 80/tcp; port b 80/udp; port c 5000-5002/udp": "",
    "vip 198.19.10.0; port 80/tcp; endpoints x { 100.64.0.7:80 }": "",
}


@pytest.mark.parametrize("said", _CHANGED)
def test_ipvs_says_that_it_cannot_change_ports(said: str) -> None:
    head = "node one { address 10.0.0.4 }\nservice shop { affinity client-ip per service\n"
    own = "" if "endpoints" in said else "endpoints x"
    wanted = program(f"endpoints x {{ 100.64.0.9 }}\n{head}{said}\n{own} }}")
    found = check_target(wanted, targets()["ipvs"], wanted.nodes[0])
    told = [f"{text_of(d.span)}: {d.message.partition('what comes to ')[2]}" for d in found if d.span]
    assert told == [_CHANGED[said]] * bool(_CHANGED[said])
    assert {d.code for d in found} <= {Code.UNSUPPORTED}


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
    wanted = program(text(target))
    assert refusal(str(target.render(wanted, wanted.nodes[0])), target) is None
