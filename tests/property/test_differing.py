"""Two programs, and the services in which they differ: the one made of the other by these; and what is kept by them."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from support.strategies import programs
from svcc.agent.health import Health
from svcc.agent.probe import probes
from svcc.compiler import ir
from svcc.compiler.differing import Services, differing_services, with_services
from svcc.compiler.health_checks import service_ports


def _with_check(service: ir.Service) -> ir.Service:
    ports = service_ports(service, ir.CheckKind.TCP)
    return replace(service, check=ir.Check(ir.CheckKind.TCP, port=ports[0])) if ports else service


@st.composite
def edits(draw: st.DrawFn, program: ir.Program) -> ir.Program:
    """Another program of some of the services: as they are, as equal objects, or changed; some under another name."""
    found: dict[str, ir.Service] = {}
    for service in program.services:
        made = draw(
            st.sampled_from(
                (
                    service,
                    service,
                    replace(service),
                    replace(service, endpoints=service.endpoints[1:]),
                    _with_check(service),
                    replace(service, name=f"{service.name}-more"),
                    None,
                )
            )
        )
        if made is not None:
            found[made.name] = made
    return replace(program, services=tuple(service for _, service in sorted(found.items())))


@st.composite
def histories(draw: st.DrawFn) -> list[ir.Program]:
    found = [draw(programs())]
    for _ in range(draw(st.integers(1, 4))):
        found.append(draw(edits(found[0])))
    return found


def _compared(before: ir.Program, after: ir.Program) -> Services:
    """Each with each."""
    old, new = ({one.name: one for one in program.services} for program in (before, after))
    return {name: new.get(name) for name in old.keys() | new.keys() if old.get(name) != new.get(name)}


@given(histories())
def test_a_program_and_its_differences_make_the_other(found: list[ir.Program]) -> None:
    for before, after in pairwise(found):
        differing = differing_services(before, after)
        assert differing == _compared(before, after)
        assert with_services(before, differing) == after
        one_by_one = before
        for name, service in differing.items():
            one_by_one = with_services(one_by_one, {name: service})
        assert one_by_one == after


@given(histories())
def test_health_that_followed_others_before_is_that_of_the_last_program(found: list[ir.Program]) -> None:
    health = Health()
    for program in found:
        health.follow(program, (), 0.0)
        fresh = Health()
        fresh.follow(program, (), 0.0)
        assert health.users == fresh.users == probes(program)
        assert health.standings.keys() == fresh.standings.keys()
        assert health.served_all(program) == fresh.served_all(program)
