"""What a summary says of endpoints that get no new connections."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from support.strategies import programs
from svcc.apply.summary import Summary, summary
from svcc.compiler import ir
from svcc.compiler.frontends import Kind, frontends


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
