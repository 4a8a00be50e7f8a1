"""Strategies for edits of a program: how its services may change, come and go."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TypeAlias

from hypothesis import strategies as st

from svcc.compiler import ir

#: By name, the services that replace the present ones; None where the service is removed.
Edit: TypeAlias = Mapping[str, ir.Service | None]


def edits(program: ir.Program) -> st.SearchStrategy[list[Edit]]:
    """Draw some edits of a program, one after the other."""
    one = st.sampled_from(program.services).flatmap(
        lambda service: st.tuples(st.just(service.name), _versions(service))
    )
    return st.lists(st.lists(one, min_size=1, max_size=3).map(dict), min_size=1, max_size=4)


def edited(program: ir.Program, edit: Edit) -> ir.Program:
    """Return the program after an edit."""
    after = {**{service.name: service for service in program.services}, **edit}
    return replace(program, services=tuple(found for _, found in sorted(after.items()) if found is not None))


@st.composite
def _versions(draw: st.DrawFn, service: ir.Service) -> ir.Service | None:
    """Draw what a service becomes: nothing that a target could refuse where it did not before."""
    drains = () if service.scheduler is ir.Scheduler.DH else ("draining",)  # ipvs refuses that under dh
    kind = draw(st.sampled_from(("gone", "same", "fewer", *drains, "otherwise")))
    if kind == "gone":
        return None
    if kind == "otherwise":
        return replace(
            service,
            when_empty=draw(st.sampled_from(ir.WhenEmpty)),
            allow_from=(),
            affinity=None,
            affinity_per_service=False,
        )
    if kind == "same" or not service.endpoints:
        return service
    at = draw(st.integers(0, len(service.endpoints) - 1))
    rest = service.endpoints[:at], service.endpoints[at + 1 :]
    middle = (replace(service.endpoints[at], weight=0),) if kind == "draining" else ()
    return replace(service, endpoints=(*rest[0], *middle, *rest[1]))


def canonical(program: ir.Program) -> ir.Program:
    """Return the program with services and nodes in the order of their names, which has no meaning."""
    return replace(
        program,
        nodes=tuple(sorted(program.nodes, key=lambda one: one.name)),
        services=tuple(sorted(program.services, key=lambda one: one.name)),
    )
