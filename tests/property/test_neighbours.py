"""Looking at the neighbours of what changes finds what looking at the whole program finds."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from support.edits import Edit, edited
from support.strategies import programs
from svcc.compiler import ir
from svcc.compiler.checks import check
from svcc.compiler.diagnostic import Severity
from svcc.compiler.neighbours import Neighbours


def _errors(program: ir.Program) -> set[tuple[str, str]]:
    return {(str(one.code), one.message) for one in check(program) if one.severity is Severity.ERROR}


@st.composite
def _clashing(draw: st.DrawFn, program: ir.Program) -> Edit:
    """One service takes something that another has, or that a node has, or goes."""
    service, other = draw(st.sampled_from(program.services)), draw(st.sampled_from(program.services))
    if draw(st.booleans()):
        return {service.name: None}
    addresses = [*other.addresses, *(one.address for one in other.endpoints)]
    addresses += [address for node in program.nodes for address in node.addresses]
    address = draw(st.sampled_from(addresses)) if addresses else None
    what = draw(st.sampled_from(("vip", "external", "shared", "endpoint", "ports", "name")))
    made = service
    if what == "ports":
        made = replace(service, ports=other.ports)
    elif what == "name":
        made = replace(other, name=f"{service.name}-2")
    elif address is not None and what == "endpoint":
        made = replace(service, endpoints=(ir.Endpoint(address),))
    elif address is not None and what == "vip":
        made = replace(service, vips=(address,))
    elif address is not None:
        made = replace(service, external_ips=(address,), shared=(address,) if what == "shared" else ())
    return {made.name: made}


@settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])
@given(st.data())
def test_neighbours_show_every_error_of_a_change(data: st.DataObject) -> None:
    program = data.draw(programs(min_services=2, max_services=5, min_nodes=1))
    assume(not _errors(program))
    neighbours = Neighbours(program)
    for _ in range(3):
        edit = data.draw(_clashing(program))
        after = edited(program, edit)
        found = _errors(neighbours.around(after, edit))
        assert found == _errors(after)
        if found or not after.services:
            continue
        there = {one.name: one for one in program.services}
        neighbours.update([there[name] for name in edit if name in there], [one for one in edit.values() if one])
        program = after
