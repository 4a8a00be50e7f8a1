"""Endpoints that leave the file on ipvs: they drain until their time is over, and nothing else is served
differently."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TypeAlias

from hypothesis import given
from hypothesis import strategies as st

from support.edits import edited, edits
from support.strategies import programs_for
from svcc.agent.leaving import Leaving
from svcc.compiler import ir
from svcc.compiler.checks import check
from svcc.compiler.diagnostic import has_errors
from svcc.compiler.frontends import Frontend, frontends
from svcc.compiler.load import load_text
from svcc.compiler.source import Source
from svcc.targets import targets
from svcc.targets.capability import check_target

IPVS = targets()["ipvs"]
#: Address (None: a node port), protocol, first and last port, family.
Place: TypeAlias = tuple[ir.Address | None, str, int, int, int]
HEAD = "cluster { prefix T }\nnode n { address 10.0.0.4 }\n"
WEB = HEAD + "service web { vip 198.19.10.1; port 80/tcp -> 8080; endpoints { 100.64.0.1; 100.64.0.2 } }\n"
DB = "service db { vip 198.19.10.2; port a 5432/tcp; port b 5433/tcp; endpoints { 100.64.0.3 } }\n"


def read(text: str) -> ir.Program:
    program = load_text(Source("x.dsl", text)).program
    assert program is not None
    return program


def place(front: Frontend) -> Place:
    return front.address, front.port.protocol.value, front.ports.first, front.ports.last, front.version


def new(program: ir.Program, node: ir.Node | None) -> dict[Place, list[tuple[ir.Address, int, int]]]:
    """Who gets new connections of each frontend that anybody serves."""
    return {
        place(front): [(one.address, front.target(one), one.weight) for one in front.endpoints]
        for front in frontends(program, node)
        if front.endpoints
    }


def ways(program: ir.Program, node: ir.Node | None) -> Iterator[tuple[Place, ir.Address, int]]:
    """Who may have connections of each frontend."""
    for front in frontends(program, node):
        for endpoint in (*front.endpoints, *front.draining):
            yield place(front), endpoint.address, front.target(endpoint)


def kept(before: str, after: str, seconds: float = 10) -> ir.Program:
    leaving = Leaving(seconds, None)
    leaving.follow(read(before), read(after), 0.0)
    return leaving.with_leaving(read(after))


@given(programs_for(IPVS), st.data())
def test_new_connections_are_as_the_file_says(found: tuple[ir.Program, ir.Node | None], data: st.DataObject) -> None:
    before, node = found
    after = before
    for edit in data.draw(edits(before)):
        after = edited(after, edit)
    leaving = Leaving(10, None if node is None else node.name)
    leaving.follow(before, after, 0.0)
    made = leaving.with_leaving(after)
    if not has_errors([*check(after)]) and not check_target(after, IPVS, node):
        assert not has_errors([*check(made)])
        assert check_target(made, IPVS, node) == []
    assert new(made, node) == new(after, node)
    assert (
        {*ways(after, node)} <= {*ways(made, node)} <= {*ways(after, node), *ways(before, node)} | _shared(made, node)
    )
    leaving.expire(10.0)
    assert (leaving.with_leaving(after), leaving.due) == (after, None)


def _shared(made: ir.Program, node: ir.Node | None) -> set[tuple[Place, ir.Address, int]]:
    """An endpoint that drains does so for all frontends of its service."""
    return {
        (place(front), one.address, front.target(one))
        for front in frontends(made, node)
        for one in front.draining
        if one.backup
    }


@given(programs_for(IPVS))
def test_all_that_is_served_may_leave_together(found: tuple[ir.Program, ir.Node | None]) -> None:
    before, node = found
    after = replace(before, services=(), balancers=())
    leaving = Leaving(10, None if node is None else node.name)
    leaving.follow(before, after, 0.0)
    made = leaving.with_leaving(after)
    assert {*ways(made, node)} >= {*ways(before, node)}
    assert new(made, node) == {}
    assert check_target(made, IPVS, node) == []


def test_a_service_leaves_that_announced_addresses_which_nobody_served() -> None:
    node = "node n { address 10.0.0.4 }\n"
    before = (
        f"{node}service a {{ vip fd00:19::1; announce yes; port 80/tcp nodeport 30000; endpoints {{ 100.64.0.1 }} }}\n"
    )
    made = kept(before, node)
    assert {*ways(made, made.nodes[0])} == {*ways(read(before), made.nodes[0])}


def test_a_service_without_room_ends_alone() -> None:
    taken = "service new { vip 198.19.10.1 shared; port 443/tcp; endpoints { 100.64.0.9 } }\n"
    made = kept(WEB + DB, taken)
    assert {str(way[1]) for way in ways(made, None)} == {"100.64.0.3", "100.64.0.9"}


def test_an_endpoint_leaves() -> None:
    made = kept(WEB, WEB.replace("100.64.0.2 ", ""))
    assert [(str(one.address), one.weight) for one in made.services[0].endpoints] == [
        ("100.64.0.1", 1),
        ("100.64.0.2", 0),
    ]


def test_a_port_of_the_endpoints_leaves() -> None:
    made = kept(WEB, WEB.replace("8080", "9090"))
    assert [(str(e.address), e.port, e.weight) for e in made.services[0].endpoints] == [
        ("100.64.0.1", None, 1),
        ("100.64.0.2", None, 1),
        ("100.64.0.1", 8080, 0),
        ("100.64.0.2", 8080, 0),
    ]


def test_a_service_leaves_and_another_takes_its_name() -> None:
    after = WEB + "service db { vip 198.19.10.3; port 80/tcp; endpoints { 100.64.0.3 } }\n"
    made = kept(WEB + DB, after)
    assert made.services[:2] == read(after).services
    (left,) = made.services[2:]
    assert (left.name, [str(vip) for vip in left.vips], len(left.ports)) == ("db-left-0", ["198.19.10.2"], 2)
    assert [(str(one.address), one.weight, one.backup) for one in left.endpoints] == [("100.64.0.3", 0, True)]


def test_another_service_takes_the_address_and_port() -> None:
    after = WEB + "service new { vip 198.19.10.2; port 5000-5500/tcp; endpoints { 100.64.0.4 } }\n"
    assert kept(WEB + DB, after) == read(after)  # what is served comes first


def test_each_has_its_own_time_and_who_comes_back_is_none_that_leaves() -> None:
    both, one, none = WEB, WEB.replace("100.64.0.2 ", ""), WEB.replace("100.64.0.1; 100.64.0.2 ", "")
    leaving = Leaving(10, None)
    assert leaving.follow(read(both), read(one), 0.0) == 1
    leaving.follow(leaving.with_leaving(read(one)), read(none), 4.0)
    assert leaving.due == 10.0
    leaving.expire(10.0)
    assert [str(e.address) for e in leaving.with_leaving(read(none)).services[0].endpoints] == ["100.64.0.1"]
    assert leaving.due == 14.0
    assert leaving.follow(leaving.with_leaving(read(none)), read(one), 11.0) == 0
    assert leaving.with_leaving(read(one)) == read(one)
