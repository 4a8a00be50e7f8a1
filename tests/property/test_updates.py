"""A target's assembly, updated service by service: what compiling anew gives, and all that differs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from support.ipvs_kernel import TARGET
from support.large_programs import plain
from support.strategies import programs_for
from svcc.apply.driver import Driver, Transition
from svcc.apply.machine import DRIVERS
from svcc.apply.scope import Scope
from svcc.compiler import ir
from svcc.kernel.steps import Step
from svcc.targets.interface import Assembly, Shared, TargetByService

_SETTINGS = settings(suppress_health_check=[HealthCheck.too_slow])
_HERE = Transition("ipvs", "ipvs")


def _assembly(program: ir.Program, node: ir.Node | None) -> Assembly:
    assert isinstance(TARGET, TargetByService)
    return TARGET.assembly(Shared(program.cluster, node, program.nodes))


def _states(assembly: Assembly) -> dict[str, Any]:
    return {artifact.part.name: artifact.state for artifact in assembly.bundle().artifacts}


def _plan(driver: Driver[Any], before: Any, after: Any, scope: Scope) -> dict[str, Any]:
    """All that comes of two states."""
    return {
        "changes": [*driver.changes(before, after)],
        "steps": [_shown(step) for step in driver.steps(before, after, scope, _HERE)],
        "gone": driver.gone_routes(before, after),
        "new": driver.gone_routes(after, before),
    }


def _shown(step: Step) -> tuple[object, ...]:
    return step.phase, step.title, step.size


def _versions(service: ir.Service) -> Iterator[ir.Service | None]:
    """What may become of a service; nothing that the target could refuse where it did not before."""
    yield None
    yield service
    yield replace(service, endpoints=service.endpoints[1:])
    yield replace(service, endpoints=tuple(replace(one, weight=0) for one in service.endpoints[:1]))
    yield replace(service, when_empty=ir.WhenEmpty.DROP, allow_from=(), endpoints=())


@st.composite
def edits(draw: st.DrawFn, program: ir.Program) -> dict[str, ir.Service | None]:
    some = draw(st.lists(st.sampled_from(program.services), min_size=1, max_size=3, unique_by=lambda one: one.name))
    return {service.name: draw(st.sampled_from([*_versions(service)])) for service in some}


@_SETTINGS
@given(st.data())
def test_updating_gives_what_compiling_anew_gives_and_all_that_differs(data: st.DataObject) -> None:
    program, node = data.draw(programs_for(TARGET))
    assume(program.services)
    scope = Scope(program.cluster.prefix)
    services: dict[str, ir.Service | None] = {service.name: service for service in program.services}
    assembly = _assembly(program, node)
    assembly.update(services)
    before = _states(assembly)
    for edit in data.draw(st.lists(edits(program), max_size=3)):
        services |= edit
        differences = assembly.update(edit)
        left = tuple(one for _, one in sorted(services.items()) if one is not None)
        anew = TARGET.render(replace(program, services=left), node)
        assert assembly.bundle() == anew
        after = _states(assembly)
        for driver in DRIVERS:
            if driver.part in before:
                difference = differences.get(driver.part)
                old, new = before[driver.part], after[driver.part]
                if difference is None:
                    assert old == new
                else:
                    found = _plan(driver, difference.before, difference.after, scope)
                    assert found == _plan(driver, old, new, scope)
        before = after


def test_a_set_that_needs_more_room_comes_whole() -> None:
    program = plain(5_464)  # the last one's endpoints are the 32,765th and more: a set of 65,536 is to be half empty
    last = program.services[-1]
    assembly = _assembly(program, program.nodes[0])
    assembly.update({service.name: service for service in program.services if service is not last})
    before = _states(assembly)["ipset"]
    difference = assembly.update({last.name: last})["ipset"]
    (driver,) = (driver for driver in DRIVERS if driver.part == "ipset")
    scope = Scope(program.cluster.prefix)
    plan = _plan(driver, difference.before, difference.after, scope)
    assert plan == _plan(driver, before, _states(assembly)["ipset"], scope)
    assert "1 set made anew" in plan["steps"][0][1]
