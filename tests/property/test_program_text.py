"""The text of a program that a generation keeps."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given

from support.edits import canonical
from support.strategies import programs
from svcc.apply.program_text import KeptProgram
from svcc.compiler import ir
from svcc.compiler.comparison import compare
from svcc.compiler.ir_from_json import from_json
from svcc.compiler.ir_to_json import to_json
from svcc.compiler.source import Source


def program_text(program: ir.Program) -> str:
    return KeptProgram(program).text


def read_program(text: str) -> ir.Program:
    return KeptProgram(text).program()


@given(programs())
def test_what_is_written_is_read(program: ir.Program) -> None:
    assert read_program(program_text(program)) == canonical(program)


@given(programs())
def test_it_is_the_program_as_json(program: ir.Program) -> None:
    text = program_text(program)
    assert json.loads(text) == to_json(canonical(program))
    assert from_json(Source("program.json", text)) == (canonical(program), [])
    assert text.count("\n") == max(len(program.services), 1) + 2


@given(programs())
def test_the_order_of_services_and_nodes_says_nothing(program: ir.Program) -> None:
    turned = replace(program, nodes=program.nodes[::-1], services=program.services[::-1])
    assert program_text(turned) == program_text(program)


@given(programs(), programs())
def test_what_is_the_same_need_not_be_read(old: ir.Program, new: ir.Program) -> None:
    mixed = replace(
        new, services=(*new.services, *(s for s in old.services if s.name not in {n.name for n in new.services}))
    )
    texts = KeptProgram(program_text(old)), KeptProgram(program_text(mixed))
    for one, other in (texts, (texts[0], KeptProgram(mixed)), (KeptProgram(old), texts[1])):
        before, after = one.differing(other)
        assert compare(before, after) == compare(old, mixed)
        assert not {*before.services} & {*after.services}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        '{"svcc":1,"services":[\n\n]}',
        '{"svcc":1,"services":[\n{"vips":[]}\n]}\n',
        '{"svcc":1,"services":[\n{"name":"a"}\n]}\n',
        '{"svcc":1,"services":[\n{"name":"a","ports":7,"endpoints":[]}\n]}\n',
        '{"svcc":1,"services":[\n{"name":"a","ports":[],"endpoints":[{"address":"x"}]}\n]}\n',
        '{"svcc":1,"services":[\n{"name":"a","ports":[],"endpoints":[' + "[" * 100_000 + "\n]}\n",
        '{"svcc":1,"services":[\n{"name":"a\n]}\n',
    ],
)
def test_something_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        read_program(text)
