"""Ranges of more ports than IPVS gets virtual servers for: known by a mark, with real packets."""

from __future__ import annotations

import pytest

from support.apply_states import go
from support.files import LARGE_RANGES
from support.ipvs_kernel import part, program, render, served
from svcc.apply.drivers import IpvsadmDriver
from svcc.apply.scope import Scope
from svcc.compiler import ir
from svcc.kernel.ipvs.reading import established
from svcc.verify.lab import CLIENT, NODE, Answer
from svcc.verify.session import Session

pytestmark = [pytest.mark.vm, pytest.mark.kernel]

TEXT = LARGE_RANGES.read_text()
SERVERS = IpvsadmDriver()


def test_verify_finds_nothing() -> None:
    made, bundle = program(TEXT), render(TEXT)
    with Session.start(made, made.nodes[0], bundle, ir.Scheduler.WRR) as session:
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
        assert isinstance(known, Answer)
        assert known.name == "100.64.0.9"
        with lab.namespace(NODE).entered():
            (key,) = (key for key, counted in established(old).items() if sum(counted.values()))
            assert established(old)[key] == {("100.64.0.9", 0): 1}
            go(SERVERS, new, scope)
            counts = established(new)[key]
        assert counts == {("100.64.0.9", 0): 1, ("100.64.0.19", 0): 0, ("100.64.0.29", 0): 0}
        assert client.ask() == known
