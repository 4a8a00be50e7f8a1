"""Which endpoints of a frontend get new connections, and which only keep those that they have."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from support.strategies import programs
from svcc.compiler import ir
from svcc.compiler.frontends import Frontend, Kind, frontends


@st.composite
def drawn(draw: st.DrawFn) -> tuple[ir.Node | None, list[Frontend]]:
    program = draw(programs(min_services=1))
    node = draw(st.sampled_from((None, *program.nodes)))
    return node, list(frontends(program, node))


def _traffic(frontend: Frontend) -> ir.Traffic:
    service = frontend.service
    return service.internal_traffic if frontend.kind is Kind.VIP else service.external_traffic


@given(drawn())
def test_every_endpoint_serves_or_keeps_what_it_has(case: tuple[ir.Node | None, list[Frontend]]) -> None:
    """Those of the family, under ``traffic … local`` on this node; each once, in the order of the source."""
    node, found = case
    for frontend in found:
        local = _traffic(frontend) is ir.Traffic.LOCAL
        mine = [
            (e.address, e.port)
            for e in frontend.service.endpoints
            if e.address.version == frontend.version and (not local or (node is not None and e.node == node.name))
        ]
        serving, rest = ([(e.address, e.port) for e in some] for some in (frontend.endpoints, frontend.draining))
        assert sorted(serving + rest, key=mine.index) == mine
        assert serving == sorted(serving, key=mine.index)
        assert rest == sorted(rest, key=mine.index)


@given(drawn())
def test_those_that_serve_have_a_weight_and_the_others_none(case: tuple[ir.Node | None, list[Frontend]]) -> None:
    for frontend in case[1]:
        assert all(e.weight > 0 for e in frontend.endpoints)
        assert all(e.weight == 0 for e in frontend.draining)


@given(drawn())
def test_a_backup_is_never_beside_another_endpoint(case: tuple[ir.Node | None, list[Frontend]]) -> None:
    for frontend in case[1]:
        declared = {(e.address, e.port): e for e in frontend.service.endpoints}
        serving = [declared[e.address, e.port] for e in frontend.endpoints]
        assert len({(e.draining, e.backup and not e.draining) for e in serving}) <= 1
        if any(e.backup and not e.draining for e in serving):
            rest = [declared[e.address, e.port] for e in frontend.draining]
            assert all(e.backup or e.draining for e in rest)
