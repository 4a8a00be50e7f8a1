"""What is served, compared by what is known of it: by programs, by frontends, by rules."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from support.strategies import on_its_ports, programs, tame
from svcc.apply.program_text import KeptProgram
from svcc.apply.scope import scope_of_program
from svcc.apply.served import NOTHING, Detail, Side, bundle_routes, compare_sides, rules_side
from svcc.apply.summary import summary
from svcc.compiler import ir
from svcc.compiler.comparison import TakenAway, compare
from svcc.compiler.features import Feature
from svcc.compiler.service_change import What
from svcc.targets import targets
from svcc.targets.capability import check_target
from svcc.targets.interface import Target

KERNEL = [target for target in targets().values() if target.loads]


def by_program(program: ir.Program, node: ir.Node | None = None) -> Side:
    return Side(KeptProgram(program), lambda: summary(program, node))


def by_frontends(program: ir.Program, node: ir.Node | None = None) -> Side:
    return Side(summarise=lambda: summary(program, node))


def by_rules(program: ir.Program, node: ir.Node | None, target: Target) -> Side:
    bundle = target.render(program, node)
    return rules_side(target.name, lambda: bundle_routes(bundle, scope_of_program(program)))


@given(programs(), programs())
def test_programs_are_compared_whole(old: ir.Program, new: ir.Program) -> None:
    found = compare_sides(by_program(old), by_program(new))
    assert found.detail is Detail.PROGRAM
    assert found.comparison == compare(old, new)


@pytest.mark.parametrize("side", [by_program, by_frontends])
@given(programs())
def test_frontends_of_one_program_are_the_same(side: Callable[[ir.Program], Side], program: ir.Program) -> None:
    for found in (
        compare_sides(side(program), by_frontends(program)),
        compare_sides(by_frontends(program), side(program)),
    ):
        assert (found.detail, found.comparison.services, found.comparison.taken) == (Detail.FRONTENDS, (), TakenAway())


#: What rules do not tell: where nobody may come, or packets go on as they are.
_UNSEEN = {Feature.ALLOW_FROM, Feature.NODE_PORT_ADDRESSES}


@pytest.mark.slow
@pytest.mark.parametrize("target", KERNEL, ids=lambda target: target.name)
@given(st.data())
def test_rules_serve_what_their_program_does(target: Target, data: st.DataObject) -> None:
    """And under its names, where the other side knows them; in whatever order they are compared."""
    drawn = data.draw(programs({*target.features} - _UNSEEN, min_services=1, max_services=2, min_nodes=1))
    services = tuple(tame(service if target.translates else on_its_ports(service)) for service in drawn.services)
    program = replace(drawn, services=services)
    node = data.draw(st.sampled_from(program.nodes))
    assume(not check_target(program, target, node))
    rules = by_rules(program, node, target)
    for other in (by_program(program, node), rules):
        for found in (compare_sides(other, rules), compare_sides(rules, other)):
            assert (found.detail, found.comparison.services) == (Detail.RULES, ())


@given(programs())
def test_from_nothing_all_services_come_and_to_nothing_they_go(program: ir.Program) -> None:
    for side in (by_program(program), by_frontends(program)):
        there = compare_sides(NOTHING, side).comparison
        back = compare_sides(side, NOTHING).comparison
        served = {one.service for one in there.services}
        assert served == {one.service for one in back.services}
        assert {change.what for one in there.services for change in one.changes} <= {What.SERVICE_ADDED}
        assert {change.what for one in back.services for change in one.changes} <= {What.SERVICE_REMOVED}
        assert not there.shared
        assert not back.shared
        assert back.taken.services == len(served)
    assert {one.service for one in compare_sides(NOTHING, by_program(program)).comparison.services} == {
        one.name for one in program.services
    }


def test_a_program_that_was_damaged_is_one_that_is_not_known() -> None:
    program = ir.Program(services=(ir.Service("web"),))
    damaged = Side(KeptProgram("{"), lambda: summary(program, None))
    assert compare_sides(damaged, by_program(program)).detail is Detail.FRONTENDS
    assert compare_sides(by_program(program), damaged).detail is Detail.FRONTENDS
