"""Ranges of more ports than IPVS gets virtual servers for: known by a mark, with real packets."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.apply_states import go
from support.apply_world import World
from support.command_line import svcc
from support.files import LARGE_RANGES
from support.ipvs_kernel import part, program, render, served
from support.schemas import follows
from svcc.apply.drivers import IpvsadmDriver
from svcc.apply.scope import Scope
from svcc.compiler import ir
from svcc.kernel.ipvs.reading import established, read_all
from svcc.kernel.ipvs.servers import mark_of, parse_servers
from svcc.verify.lab import CLIENT, NODE, Reply
from svcc.verify.verification import Verification

pytestmark = [pytest.mark.vm, pytest.mark.kernel]

TEXT = LARGE_RANGES.read_text()
SERVERS = IpvsadmDriver()
#: From port 2000 on: up to 3023 each has a virtual server.
ONE = "service media {{ vip 198.19.20.0; port 2000-{last}/udp; endpoints {{ 100.64.0.9 }} }}"


def test_verify_finds_nothing() -> None:
    made, bundle = program(TEXT), render(TEXT)
    with Verification.start(made, made.nodes[0], bundle, ir.Scheduler.WRR) as session:
        verdicts = [*session.verdicts(6)]
    assert [(verdict.case.frontend, verdict.deviation) for verdict in verdicts if verdict.deviation] == []
    tried = {verdict.case.packet for verdict in verdicts}
    assert {(str(packet.destination), packet.port) for packet in tried} > {
        ("198.19.10.0", 2000),
        ("203.0.113.7", 3030),
        ("fd00:19::10", 3030),
        ("10.0.0.5", 31500),
        ("198.19.30.0", 3030),
    }


def test_a_connection_outlives_an_edit_of_its_endpoints() -> None:
    before = TEXT.replace("100.64.0.19 weight 2", "").replace("100.64.0.29 draining", "")
    scope = Scope("CART", "svcc0").including(render(before), render(TEXT))
    old, new = (SERVERS.parse(part(render(text), "ipvsadm"), scope) for text in (before, TEXT))
    with served(before) as lab, lab.open(CLIENT, "198.19.10.0", 3030) as client:
        known = client.ask()
        assert isinstance(known, Reply)
        assert known.name == "100.64.0.9"
        with lab.namespace(NODE).entered():
            (key,) = (key for key, counted in established(old).items() if sum(counted.values()))
            assert established(old)[key] == {("100.64.0.9", 0): 1}
            go(SERVERS, new, scope)
            counts = established(new)[key]
        assert counts == {("100.64.0.9", 0): 1, ("100.64.0.19", 0): 0, ("100.64.0.29", 0): 0}
        assert client.ask() == known


def test_ranges_grow_and_shrink(world: World, tmp_path: Path) -> None:
    """The kernel is as the plan says, and `status` tells who serves what."""
    path = tmp_path / "shop.dsl"
    large, larger, small = (ONE.format(last=last) for last in (3024, 3100, 3023))
    with world.inside():
        others = read_all()
        for text in (large, larger, small, large):
            path.write_text(text)
            assert svcc("apply", path, "-t", "ipvs", "-q").status == 0
            assert svcc("plan", path, "-t", "ipvs").status == 0
            assert read_all() == others | parse_servers(part(render(text), "ipvsadm"))
            rows = follows("status", svcc("status", "--json").text)["listeners"]
            assert {one["service"] for one in rows} == {"media"}
        assert any(map(mark_of, read_all()))
        assert svcc("delete", "--yes", "-q").status == 0
        assert read_all() == others
