"""The one layout of a program: it means the program, and hangs on nothing but what the program means."""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings

from support.dsl_printer import program_text as plainly
from support.strategies import programs
from svcc.compiler import ir
from svcc.compiler.load import load_text
from svcc.compiler.printing import program_text
from svcc.compiler.report import as_text
from svcc.compiler.source import Source

_BIG = settings(
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example]
)


def program_of(text: str) -> ir.Program:
    loaded = load_text(Source("main.dsl", text))
    assert loaded.program is not None, f"{as_text(loaded.diagnostics)}\n{text}"
    return loaded.program


@_BIG
@given(programs())
def test_what_is_printed_means_the_program(program: ir.Program) -> None:
    assert program_of(program_text(program)) == program


@_BIG
@given(programs())
def test_what_is_printed_is_printed_again(program: ir.Program) -> None:
    """Wherever the program was read from, pools and defaults or none."""
    text = program_text(program_of(plainly(program)))
    assert program_text(program_of(text)) == text
