"""What is said to change between two programs: everything that differs, nothing else, and the same both ways."""

from __future__ import annotations

from collections import Counter
from dataclasses import fields, replace

from hypothesis import given
from hypothesis import strategies as st

from support.edits import canonical
from support.strategies import programs
from svcc.compiler import ir
from svcc.compiler.comparison import TakenAway, compare
from svcc.compiler.load import load_text
from svcc.compiler.service_change import ServiceChange, What
from svcc.compiler.source import Source

PAIRS = st.tuples(programs(), programs())

#: All that a service says, but for its name.
COMPARED = sorted({field.name for field in fields(ir.Service) if field.compare} - {"name", "external_ips", "shared"})

#: What a change is called by somebody who goes the other way.
_BACK = {
    What.SERVICE_ADDED: What.SERVICE_REMOVED,
    What.ADDRESS_ADDED: What.ADDRESS_REMOVED,
    What.PORT_ADDED: What.PORT_REMOVED,
    What.ENDPOINT_ADDED: What.ENDPOINT_REMOVED,
    What.ENDPOINT_DRAINED: What.ENDPOINT_RESUMED,
    What.NODE_ADDED: What.NODE_REMOVED,
    What.BALANCER_ADDED: What.BALANCER_REMOVED,
}
BACK = _BACK | {there: here for here, there in _BACK.items()}


def changes(old: ir.Program, new: ir.Program) -> list[ServiceChange]:
    found = compare(old, new)
    return [*found.shared, *(change for one in found.services for change in one.changes)]


@given(programs())
def test_a_program_is_as_it_is(program: ir.Program) -> None:
    turned = replace(program, nodes=program.nodes[::-1], services=program.services[::-1])
    assert compare(program, turned).empty
    assert compare(program, turned).taken == TakenAway()


@given(PAIRS)
def test_whatever_differs_is_said(pair: tuple[ir.Program, ir.Program]) -> None:
    assert compare(*pair).empty == (canonical(pair[0]) == canonical(pair[1]))


@given(PAIRS)
def test_the_way_back_is_the_way_there_backwards(pair: tuple[ir.Program, ir.Program]) -> None:
    """But for frontends that are taken over: who takes them says so, not who gave them."""
    there = Counter(BACK.get(one.what, one.what) for one in changes(*pair) if one.what is not What.FRONTENDS_TAKEN)
    back = Counter(one.what for one in changes(*reversed(pair)) if one.what is not What.FRONTENDS_TAKEN)
    assert there == back


@given(programs(min_services=1), st.data())
def test_each_statement_of_a_service_is_compared(program: ir.Program, data: st.DataObject) -> None:
    """Any field that another service has otherwise, put into this one, is a change of this one alone."""
    other = data.draw(programs(min_services=1)).services[0]
    name = data.draw(st.sampled_from(COMPARED))
    service = program.services[0]
    edited = replace(service, **{name: getattr(other, name)})
    found = compare(program, replace(program, services=(edited, *program.services[1:])))
    assert [one.service for one in found.services] == ([] if edited == service else [service.name])
    assert not found.shared


@given(programs(min_services=1))
def test_what_is_removed_is_counted(program: ir.Program) -> None:
    taken = compare(program, replace(program, services=())).taken
    assert taken.services == len(program.services)
    assert taken.endpoints == sum(len({e.address for e in one.endpoints}) for one in program.services)


@given(programs(min_services=1))
def test_another_name_takes_nothing_away(program: ir.Program) -> None:
    service = program.services[0]
    found = compare(program, replace(program, services=(replace(service, name="zz/new"), *program.services[1:])))
    assert found.taken == TakenAway()
    assert [change.what for one in found.services for change in one.changes] == [What.SERVICE_RENAMED]


def test_of_two_ports_with_one_number_one_is_the_port_that_stays() -> None:
    two = "service b { port http 80/tcp nodeport 30001; port quic 80/tcp; endpoints { } }\n"
    one = "service b { vip 198.19.0.1; port 80/tcp; endpoints { } }\n"
    old, new = (load_text(Source("b.dsl", text)).program for text in (two, one))
    assert old is not None
    assert new is not None
    said = [(change.what, change.subject) for change in changes(old, new) if "port" in change.what.value]
    assert said == [
        (What.PORT_REMOVED, "quic"),
        (What.PORT_RENAMED, "80/tcp"),
        (What.NODE_PORT, "80/tcp"),
    ]
