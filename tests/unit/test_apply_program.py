"""The program from which a generation was compiled: it is kept beside the bundle, and deleted with it."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path

from svcc.apply import confirm
from svcc.apply.generation import Draft
from svcc.apply.installation import Installation
from svcc.apply.program_text import KeptProgram
from svcc.apply.scope import scope_of_program
from svcc.apply.served import Detail, compare_sides, draft_side, generation_side
from svcc.apply.store import Store
from svcc.apply.summary import summary
from svcc.compiler import ir
from svcc.targets import targets

PROGRAM = ir.Program(
    services=(
        ir.Service(
            "web",
            vips=(ip_address("198.19.10.1"),),
            ports=(ir.Port(None, ir.Protocol.TCP, ir.PortRange(80, 80), 8080),),
            endpoints=(ir.Endpoint(ip_address("100.64.0.1")),),
        ),
    )
)


def draft(program: ir.Program, *, kept: bool = True) -> Draft:
    bundle = targets()["nft"].render(program, None)
    known = KeptProgram(program) if kept else None
    return Draft(bundle, scope_of_program(program), summary(program, None), "a.dsl", program=known)


def recorded(installation: Installation, made: Draft) -> int:
    number = installation.record(made).number
    installation.make_current(number)
    return number


def test_it_is_kept_and_goes_with_its_generation(tmp_path: Path) -> None:
    installation = Store(tmp_path).installation("svcc")
    number = recorded(installation, draft(PROGRAM))
    kept = installation.program(installation.generation(number))
    assert kept is not None
    assert kept.program() == PROGRAM
    assert installation.file(number, "program").stat().st_mode & 0o777 == 0o600
    installation.forget(number)
    assert [path.name for path in installation.path.iterdir()] == ["current"]


def test_going_back_keeps_it(tmp_path: Path) -> None:
    installation = Store(tmp_path).installation("svcc")
    first = recorded(installation, draft(PROGRAM))
    recorded(installation, draft(replace(PROGRAM, services=())))
    again = recorded(installation, confirm.earlier(installation, first, "rollback to 1"))
    texts = [installation.file(number, "program").read_text() for number in (first, again)]
    assert texts[0] == texts[1]


def test_a_generation_without_one_is_compared_by_its_frontends(tmp_path: Path) -> None:
    installation = Store(tmp_path).installation("svcc")
    number = recorded(installation, draft(PROGRAM, kept=False))
    side = generation_side(installation, installation.generation(number))
    edited = replace(PROGRAM, services=(replace(PROGRAM.services[0], scheduler=ir.Scheduler.RR),))
    found = compare_sides(side, draft_side(draft(edited)))
    assert (found.detail, found.comparison.empty) == (Detail.FRONTENDS, True)
    recorded(installation, draft(PROGRAM))
    whole = compare_sides(generation_side(installation, installation.current), draft_side(draft(edited)))
    assert (whole.detail, len(whole.comparison.services)) == (Detail.PROGRAM, 1)
