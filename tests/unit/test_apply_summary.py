"""What a summary says of endpoints that get no new connections."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.nft_programs import program as compiled
from support.strategies import programs
from svcc.apply.summary import State, Summary, summary
from svcc.compiler import ir
from svcc.compiler.frontends import Kind, frontends
from svcc.kernel.json_values import Json


@given(st.data(), programs(min_services=1))
def test_only_local_traffic_has_endpoints_elsewhere(data: st.DataObject, program: ir.Program) -> None:
    """Backups, and endpoints that are not preferred, have weight 0: their connections go on."""
    node = data.draw(st.sampled_from((None, *program.nodes)))
    found = summary(program, node)
    assert Summary.from_json(found.to_json()) == found
    for served, frontend in zip(found.frontends, frontends(program, node), strict=True):
        service = frontend.service
        traffic = service.internal_traffic if frontend.kind is Kind.VIP else service.external_traffic
        family = [e for e in service.endpoints if e.address.version == frontend.version]
        assert len(served.endpoints) + len(served.elsewhere) == len(family)
        assert traffic is ir.Traffic.LOCAL or not served.elsewhere
        assert [w > 0 for _, _, w in served.endpoints] == sorted((w > 0 for _, _, w in served.endpoints), reverse=True)


_FAR = "traffic internal prefer-local; endpoints { 10.1.1.1 on here; 10.1.2.1 on far; 10.1.2.2 on far draining }"


@pytest.mark.parametrize(
    ("statements", "states"),
    [
        ("endpoints { 10.1.1.1; 10.1.2.1 backup; 10.1.3.1 draining }", "serving backup draining"),
        ("endpoints { 10.1.1.1; 10.1.3.1 backup draining }", "serving draining"),
        ("endpoints { 10.1.1.1 draining; 10.1.2.1 backup }", "serving draining"),
        ("when-empty draining; endpoints { 10.1.1.1 draining; 10.1.2.1 draining backup }", "serving draining"),
        (_FAR, "serving remote draining"),
        (_FAR.replace("10.1.2.1 on far;", "10.1.2.1 on far backup;"), "serving backup draining"),
        (_FAR.replace("on here", "on here backup").replace("far;", "far backup;"), "serving remote draining"),
    ],
)
def test_who_waits_is_told_from_who_drains(statements: str, states: str) -> None:
    text = f"service a {{ vip 198.19.0.1; port 80/tcp -> 8080; {statements} }}"
    whole = compiled(f"node here {{ address 10.0.0.4 }}; node far {{ address 10.0.0.5 }}; {text}")
    found = summary(whole, whole.nodes[0])
    assert [one.value for one in found.frontends[0].states()] == states.split()
    assert Summary.from_json(found.to_json()) == found


def test_a_record_of_an_earlier_svcc_calls_all_that_get_nothing_new_draining() -> None:
    row: Json = ["a", "a", "198.19.0.1", 4, "tcp", 80, 80, [["10.1.1.1", 8080, 1], ["10.1.2.1", 8080, 0]]]
    found = Summary.from_json({"node_addresses": [], "listeners": [row]})
    assert [*found.frontends[0].states()] == [State.SERVING, State.DRAINING]
