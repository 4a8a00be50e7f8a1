"""Ranges of more ports than get virtual servers of their own on IPVS: one server for all of them, by a packet mark."""

from __future__ import annotations

from itertools import islice

import pytest

from support.bundles import accepted, refusal
from support.equivalence import Case
from support.files import LARGE_RANGES
from support.ipvs_kernel import TARGET, part, program, render
from support.packets import packets
from svcc.compiler import ir
from svcc.kernel.ipvs.servers import mark_of, parse_servers
from svcc.targets import targets
from svcc.targets.interface import Target
from svcc.targets.ipvs.virtual import RANGE_PORTS, range_mark
from svcc.verify.packet import Forwarded

TEXT = LARGE_RANGES.read_text()
_EACH = pytest.mark.parametrize("target", [t for t in targets().values() if t.loads], ids=lambda target: target.name)


def _case(target: Target, text: str = TEXT) -> Case:
    made = program(text)
    return Case(target, made, made.nodes[0])


@_EACH
def test_every_target_means_the_same_by_them(target: Target) -> None:
    case = _case(target)
    some = list(packets(case.program, case.node))
    kernel = case.load(case.render())
    found = (
        complaint for packet in some for complaint in (case.fares(kernel, packet), case.fares_the_same(kernel, packet))
    )
    assert next(filter(None, found), None) is None
    assert sum(isinstance(case.expected(packet), Forwarded) for packet in some) > 50


def test_connections_go_on() -> None:
    case = _case(TARGET)
    kernel = case.load(case.render())
    found = (case.goes_on(kernel, packet) for packet in islice(packets(case.program, case.node), 0, None, 3))
    assert next(filter(None, found), None) is None


@pytest.mark.parametrize(("last", "marks"), [(999 + RANGE_PORTS, 0), (1000 + RANGE_PORTS, 1)])
def test_so_many_ports_have_a_virtual_server_each(last: int, marks: int) -> None:
    bundle = render(f"service s {{ vip 198.19.0.1; port 1000-{last}/tcp; endpoints {{ 100.64.0.9 }} }}")
    servers = parse_servers(part(bundle, "ipvsadm"))
    assert sum(mark_of(key) is not None for key in servers) == marks
    assert len(servers) == (marks or RANGE_PORTS)


def test_all_ports_are_a_line_of_each_set() -> None:
    bundle = render("service s { vip 198.19.0.1; port 1-65535/tcp; endpoints { 100.64.0.9; 100.64.0.19 } }")
    mark = range_mark(program("").cluster, "s", "198.19.0.1", ir.Protocol.TCP, 1)
    assert [line for line in part(bundle, "ipset").splitlines() if line.startswith("add ")] == [
        "add SVCC-SERVICE-IP 198.19.0.1",
        f"add SVCC-SERVICE-MARK 198.19.0.1,tcp:1-65535 skbmark {mark:#x}",
        "add SVCC-CLUSTER-IP 198.19.0.1,tcp:1-65535",
        "add SVCC-LOOP-BACK 100.64.0.9,tcp:1-65535,100.64.0.9",
        "add SVCC-LOOP-BACK 100.64.0.19,tcp:1-65535,100.64.0.19",
    ]
    assert part(bundle, "ipvsadm").splitlines() == [
        f"-A -f {mark} -s rr",
        f"-a -f {mark} -r 100.64.0.9:0 -m -w 1",
        f"-a -f {mark} -r 100.64.0.19:0 -m -w 1",
    ]
    assert {a.part.name: a.text for a in accepted(bundle).artifacts if a.text} == {
        k: v for k, v in bundle.parts.items() if v
    }


def test_each_address_has_a_mark_and_node_ports_one() -> None:
    """Connections are counted, and clients remembered, for each address."""
    places = {}
    for artifact in render(TEXT).artifacts:
        if artifact.part.name == "ipvsadm" and isinstance(artifact.state, dict):
            places = {key: {(p.address, p.protocol) for p in one.frontends} for key, one in artifact.state.items()}
    assert sorted(sorted(some) for key, some in places.items() if mark_of(key)) == [
        [("10.0.0.4", "udp"), ("10.0.0.5", "udp")],
        [("198.19.10.0", "tcp")],
        [("198.19.20.0", "udp")],
        [("198.19.30.0", "tcp"), ("198.19.30.0", "udp")],
        [("203.0.113.7", "tcp")],
        [("fd00:19::10", "tcp")],
    ]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("198.19.10.0,tcp:2000-3030 skbmark", "198.19.10.0,tcp:2000-3000 skbmark", "large range"),
        ("198.19.10.0,tcp:2000-3030 skbmark", "198.19.10.0,tcp:2001-3031 skbmark", "is in no set"),
        ("CART-CLUSTER-IP 198.19.10.0,tcp:2000-3030", "CART-CLUSTER-IP 198.19.10.0,tcp:2000-65536", "is no element"),
        ("CART-CLUSTER-IP 198.19.10.0,tcp:2000-3030", "CART-CLUSTER-IP 198.19.10.0,tcp:2000-3029", "is in no set"),
        ("100.64.0.9,tcp:2000-3030,100.64.0.9", "100.64.0.9,tcp:2000-3031,100.64.0.9", "is no endpoint's"),
        ("add CART-NODE-PORT-UDP 30000-31500", "add CART-NODE-PORT-UDP 29999-31500", "no port from"),
    ],
)
def test_bundles_that_say_it_otherwise_are_refused(old: str, new: str, said: str) -> None:
    text = str(render(TEXT))
    assert old in text
    found = refusal(text.replace(old, new, 1), TARGET)
    assert found is not None
    assert said in found
