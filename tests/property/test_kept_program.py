"""A program that a generation keeps is read as it was written, and so is a change to it."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from support.edits import edited, edits
from support.strategies import programs
from svcc.apply.program_text import KeptProgram
from svcc.apply.services_change import ServicesChange, change_of
from svcc.apply.summary import summary
from svcc.compiler import ir

_SETTINGS = settings(suppress_health_check=[HealthCheck.too_slow])


def _in_order(program: ir.Program) -> ir.Program:
    """As it is kept: services, nodes and balancers by their names."""
    return replace(
        program,
        nodes=tuple(sorted(program.nodes, key=lambda one: one.name)),
        services=tuple(sorted(program.services, key=lambda one: one.name)),
        balancers=tuple(sorted(program.balancers, key=lambda one: one.name)),
    )


@_SETTINGS
@given(programs())
def test_a_kept_program_is_the_program(program: ir.Program) -> None:
    made = KeptProgram(program)
    read = KeptProgram(made.text)
    assert (read.mark, read.rewriting) == (made.mark, made.rewriting)
    assert read.program() == _in_order(program)


@_SETTINGS
@given(st.data())
def test_a_change_makes_the_program_and_the_summary_of_another(data: st.DataObject) -> None:
    program = data.draw(programs(min_services=1, max_services=4, min_nodes=1))
    node = data.draw(st.sampled_from(program.nodes))
    whole = KeptProgram(KeptProgram(program).text)
    for edit in data.draw(edits(program)):
        after = edited(program, edit)
        assume(after.services)
        own = change_of([one for one in edit.values() if one is not None], after, node)
        change = ServicesChange.from_text(ServicesChange({name: own.get(name) for name in edit}).text)
        assert change.program(whole).text == KeptProgram(after).text
        found = change.summary(summary(program, node))
        assert sorted(map(repr, found.frontends)) == sorted(map(repr, summary(after, node).frontends))
