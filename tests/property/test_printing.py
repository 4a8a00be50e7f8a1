"""The one layout of a program: it means the program, and hangs on nothing but what the program means."""

from __future__ import annotations

from ipaddress import ip_address

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from support.dsl_printer import program_text as plainly
from support.strategies import programs
from svcc.compiler import ir
from svcc.compiler.fmt import format_source
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


@_BIG
@given(programs())
def test_what_is_printed_is_laid_out_as_fmt_lays_it_out(program: ir.Program) -> None:
    text = program_text(program)
    assert format_source(Source("main.dsl", text)) == text


_NEAR = st.integers(-2, 2) | st.integers(250, 260)
_ADDRESSES = st.tuples(st.sampled_from((ip_address("198.19.0.9"), ip_address("fd00:19::ffff"))), _NEAR)


@given(st.lists(_ADDRESSES.map(lambda drawn: drawn[0] + drawn[1]), unique=True, min_size=1, max_size=12))
def test_addresses_that_follow_each_other(addresses: list[ir.Address]) -> None:
    port = ir.Port(None, ir.Protocol.TCP, ir.PortRange(80, 80), 80)
    service = ir.Service("a", vips=tuple(addresses), ports=(port,))
    program = ir.Program(services=(service,))
    assert program_of(program_text(program)) == program


def test_more_addresses_than_a_range_has() -> None:
    port = ir.Port(None, ir.Protocol.TCP, ir.PortRange(80, 80), 80)
    many = tuple(ip_address("198.19.0.1") + i for i in range(2050))
    program = ir.Program(services=(ir.Service("a", vips=many, ports=(port,)),))
    assert program_of(program_text(program)) == program
    assert "vip  198.19.0.1-198.19.4.0 198.19.4.1-198.19.8.0 198.19.8.1 198.19.8.2\n" in program_text(program)
