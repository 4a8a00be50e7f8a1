"""A program that a generation keeps is read as it was written."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import HealthCheck, given, settings

from support.strategies import programs
from svcc.apply.program_text import KeptProgram
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
    assert KeptProgram(KeptProgram(program).text).program() == _in_order(program)
