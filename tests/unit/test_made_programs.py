"""Programs that callers from Python made are checked as files are."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address
from typing import Any

import pytest

from svcc.compiler import ir
from svcc.compiler.errors import InputError
from svcc.compiler.load import load_text
from svcc.compiler.made_programs import checked_program
from svcc.compiler.source import Source

_TEXT = """\
cluster { prefix CUSTOM }
node a { address 10.9.0.11 }
service web { vip 198.19.10.1; port 80/tcp; endpoints { 100.64.0.1 weight 3; 100.64.0.2 on a } }
service dns { vip 198.19.10.2; port 53/udp; affinity client-ip 1h; check dns; endpoints { 100.64.0.3 } }
"""


@pytest.fixture
def program() -> ir.Program:
    read = load_text(Source("a.dsl", _TEXT)).program
    assert read is not None
    return read


def with_web(program: ir.Program, **fields: Any) -> ir.Program:
    dns, web = program.services
    return replace(program, services=(dns, replace(web, **fields)))


def endpoint(**fields: Any) -> dict[str, Any]:
    return {"endpoints": (replace(ir.Endpoint(ip_address("100.64.0.1")), **fields),)}


def port(*numbers: int, **fields: Any) -> dict[str, Any]:
    return {"ports": (ir.Port(None, ir.Protocol.TCP, ir.PortRange(*numbers), **{"target": 80, **fields}),)}


def test_what_was_read_is_not_checked_again(program: ir.Program) -> None:
    assert checked_program(program) is program
    assert (program.checked, [one.checked for one in program.services]) == (True, [True, True])
    made = with_web(program, announce=True)
    assert (made.checked, [one.checked for one in made.services]) == (False, [True, False])


def test_a_sound_program_comes_back_in_the_order_of_the_ir(program: ir.Program) -> None:
    turned = replace(program, services=program.services[::-1])
    assert turned != program
    assert checked_program(turned) == program


@pytest.mark.parametrize(
    "fields",
    [
        endpoint(weight=70_000),
        endpoint(weight=-5),
        endpoint(port=0),
        endpoint(port=99_999),
        endpoint(max_connections=0),
        endpoint(node="nobody"),
        port(0, 0),
        port(80, 79),
        port(80, 80, target=0),
        port(80, 81, target=65_535),
        {"name": "we b\n"},
        {"name": "", **endpoint()},
        {"affinity": 0},
        {"affinity": 100_000},
        {"snat": (ip_address("10.0.0.1"), ip_address("10.0.0.1"))},
        {"check": ir.Check(ir.CheckKind.TCP, fall=0)},
        {"check": ir.Check(ir.CheckKind.HTTP, path="no path")},
        {
            "vips": (ip_address("198.19.10.2"),),
            **port(53, 53),
            "ports": (ir.Port(None, ir.Protocol.UDP, ir.PortRange(53, 53), 53),),
        },
        {"vips": ()},
    ],
)
def test_what_no_file_may_hold_is_an_input_error(program: ir.Program, fields: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        checked_program(with_web(program, **fields))


@pytest.mark.parametrize(
    "fields",
    [
        {"vips": ("198.19.10.1",)},
        {"ports": (80,)},
        {"endpoints": ("100.64.0.1",)},
        {"endpoints": None},
        {"allow_from": (ip_address("10.0.0.1"),)},
    ],
)
def test_a_value_of_a_wrong_type_is_a_value_error(program: ir.Program, fields: dict[str, Any]) -> None:
    with pytest.raises((ValueError, InputError)):
        checked_program(with_web(program, **fields))


def test_what_is_no_program_is_a_value_error(program: ir.Program) -> None:
    for given in ("a.dsl", None, program.services[0]):
        with pytest.raises(ValueError, match="is no program"):
            checked_program(given)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="is no service"):
        checked_program(replace(program, services=(5,)))  # type: ignore[arg-type]


def test_a_name_stands_for_one_service(program: ir.Program) -> None:
    with pytest.raises(InputError, match="declared twice"):
        checked_program(replace(program, services=(*program.services, replace(program.services[0], vips=()))))
