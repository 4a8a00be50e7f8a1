"""Sets of routes and frontends are ranges of ports, and mean what sets of single ports would."""

from __future__ import annotations

from collections.abc import Iterable
from operator import and_, or_, sub

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.nft_programs import program
from svcc.apply.scope import scope_of_program
from svcc.apply.served import Side, bundle_routes, compare_sides, rules_side
from svcc.apply.summary import summary
from svcc.kernel.routes import Destination, Frontends, Route, Routes, routes_to
from svcc.kernel.steps import FrontendAddress
from svcc.targets import find

_PORT = st.integers(1, 30)
_ROUTE = st.builds(
    Route,
    st.builds(FrontendAddress, st.sampled_from(["198.19.0.1", None]), st.sampled_from(["tcp", "udp"]), _PORT),
    st.sampled_from(["100.64.0.9", "100.64.0.19"]),
    _PORT,
    st.integers(1, 12),
)
_SOME = st.lists(_ROUTE, max_size=8)


def one_by_one(routes: Iterable[Route]) -> set[Route]:
    """Routes for one port each."""
    return {
        Route(FrontendAddress(at.address, at.protocol, at.port + shift), one.endpoint, one.port + shift)
        for one in routes
        for at in [one.frontend]
        for shift in range(one.ports)
    }


@pytest.mark.parametrize("operate", [and_, or_, sub])
@given(_SOME, _SOME)
def test_they_are_sets(operate: object, some: list[Route], others: list[Route]) -> None:
    assert callable(operate)
    found = operate(Routes.of(some), Routes.of(others))
    single = operate(one_by_one(some), one_by_one(others))
    assert one_by_one(found) == single
    assert found == Routes.of(single)
    assert bool(found) == bool(single)
    assert all((route in found) == (route in single) for route in one_by_one([*some, *others]))
    assert {to for to in {route.frontend for route in single} if to in found.frontends} == {
        route.frontend for route in single
    }
    assert one_by_one(found.over("udp")) == {route for route in single if route.frontend.protocol == "udp"}


def test_frontends_are_told_by_their_ports() -> None:
    some = Frontends(
        (Destination(address, "udp"), first, first + ports)
        for address in ("198.19.0.1", "fd00:19::1", None)
        for first, ports in ((53, 0), (5000, 99), (5100, 1))
    )
    assert [*some.texts()] == [
        *("198.19.0.1:53/udp", "198.19.0.1:5000-5101/udp"),
        *("[fd00:19::1]:53/udp", "[fd00:19::1]:5000-5101/udp"),
        *("node port 53/udp", "node port 5000-5101/udp"),
    ]


def test_an_endpoint_s_own_port_is_that_of_each_port_of_a_range() -> None:
    at = FrontendAddress("198.19.0.1", "tcp", 80)
    assert [*routes_to(at, 3, "100.64.0.9", None)] == [Route(at, "100.64.0.9", 80, 3)]
    assert [(one.frontend.port, one.port, one.ports) for one in routes_to(at, 2, "100.64.0.9", 8080)] == [
        (80, 8080, 1),
        (81, 8080, 1),
    ]


@pytest.mark.parametrize("name", ["nft", "iptables"])
def test_all_ports_of_many_addresses_are_a_route_each(name: str) -> None:
    """And are compared as such: port by port there would be 134 million."""
    text = "service z {{ vip 198.18.0.1-198.18.4.0; port 1-65535/tcp; endpoints {{ 100.64.0.9; 100.64.0.{} }} }}"
    whole, other = (program(text.format(last)) for last in (19, 20))
    target = find(name)
    assert target is not None
    bundle, scope = target.render(whole, None), scope_of_program(whole)
    routes = bundle_routes(bundle, scope)
    assert (len(routes), {one.ports for one in routes}) == (2 * 1024, {65_535})
    rules = rules_side(name, lambda: routes)
    assert compare_sides(Side(summarise=lambda: summary(whole, None)), rules).comparison.services == ()
    (changed,) = compare_sides(rules, Side(summarise=lambda: summary(other, None))).comparison.services
    assert changed.service == "z"
