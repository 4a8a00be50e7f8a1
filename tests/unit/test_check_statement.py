"""The ``check`` statement: what it means for a service, which endpoints it asks, and that no compiled file depends on
it."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.strategies import CHECKS, programs_for
from svcc.compiler import ir
from svcc.compiler.health_checks import asked_port
from svcc.compiler.load import load_text
from svcc.compiler.report import as_text
from svcc.compiler.source import Source
from svcc.targets import targets
from svcc.targets.interface import Target

TCP, HTTP, HTTPS, DNS = ir.CheckKind.TCP, ir.CheckKind.HTTP, ir.CheckKind.HTTPS, ir.CheckKind.DNS


def services(text: str) -> tuple[ir.Service, ...]:
    loaded = load_text(Source("main.dsl", text))
    assert loaded.program is not None, as_text(loaded.diagnostics)
    return loaded.program.services


def service(statements: str, port: str = "80/tcp -> 8080") -> ir.Service:
    (found,) = services(f"service a {{ vip 198.19.0.1; port {port}; endpoints {{ 100.64.0.1 }}; {statements} }}")
    return found


@pytest.mark.parametrize(
    ("statement", "check"),
    [
        ("check tcp", ir.Check(ir.CheckKind.TCP, None, "/", None, (200, 399), False, ".", 5, 2, 3, 2)),
        ("check http 8081 /healthz?full=1,2", ir.Check(HTTP, 8081, "/healthz?full=1,2")),
        ('check http "/a;b"', ir.Check(HTTP, path="/a;b")),
        ("check https host 10.0.0.1:8443 insecure", ir.Check(HTTPS, host="10.0.0.1:8443", insecure=True)),
        ("check http expect 204", ir.Check(HTTP, expect=(204, 204))),
        ("check tcp every 500ms timeout 20ms fall 1 rise 5", ir.Check(TCP, every=0.5, timeout=0.02, fall=1, rise=5)),
        ("check dns 53 shop.example.", ir.Check(DNS, 53, name="shop.example.")),
        ('check dns 53 "."', ir.Check(DNS, 53)),
        ("check none", None),
    ],
)
def test_a_check_says_what_is_asked(statement: str, check: ir.Check | None) -> None:
    assert service(statement).check == check


def test_a_service_s_own_check_takes_the_place_of_the_default_as_a_whole() -> None:
    endpoints = "endpoints { 100.64.0.1 }"
    found = services(
        "defaults { check http /healthz every 1s timeout 1s; when-failed empty }\n"
        f"service as-it-is {{ vip 198.19.0.1; port 80/tcp; {endpoints} }}\n"
        f"service none {{ vip 198.19.0.2; port 80/udp; check none; {endpoints} }}\n"
        f"service own {{ vip 198.19.0.3; port 80/tcp; check http; when-failed open; {endpoints} }}\n"
    )
    assert [one.check for one in found] == [ir.Check(HTTP, path="/healthz", every=1, timeout=1), None, ir.Check(HTTP)]
    assert [str(one.when_failed) for one in found] == ["empty", "empty", "open"]


@pytest.mark.parametrize(
    ("port", "statement", "asked"),
    [
        ("80/tcp -> 8080", "check tcp", [8080, 9443]),
        ("80/tcp -> 8080", "check http 8081", [8081, 8081]),
        ("5000-5099/udp -> 6000", "check udp", [6000, 9443]),
        ("a 80/tcp -> 8080; port b 443/tcp -> 8080; port c 53/udp", "check https", [8080]),
        ("a 80/tcp -> 8080; port c 53/udp", "check dns", [53]),
        ("a 80/sctp", "check tcp 81", [81, 81]),
    ],
)
def test_the_port_is_the_endpoint_s_own(port: str, statement: str, asked: list[int]) -> None:
    """Unless the check says which. The last endpoint has a port of its own, where one may."""
    found = service(statement, port)
    assert found.check is not None
    endpoints = (*found.endpoints, ir.Endpoint(ip_address("100.64.0.2"), 9443))[: len(asked)]
    assert [asked_port(found, found.check, endpoint) for endpoint in endpoints] == asked


@pytest.mark.parametrize("target", [t for t in targets().values() if t.loads], ids=lambda target: target.name)
def test_nothing_that_is_compiled_depends_on_checks(target: Target) -> None:
    @given(programs_for(target), st.sampled_from(CHECKS), st.sampled_from(ir.WhenFailed))
    def check(case: tuple[ir.Program, ir.Node | None], other: ir.Check | None, failed: ir.WhenFailed) -> None:
        program, node = case
        services = tuple(replace(one, check=other, when_failed=failed) for one in program.services)
        assert target.render(replace(program, services=services), node) == target.render(program, node)

    check()
