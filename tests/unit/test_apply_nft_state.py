"""The nft driver's states, without a kernel: documents as states, changes, routes, and the size of steps."""

from __future__ import annotations

import json
from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support import large_programs
from support.files import GOLDEN
from support.nft_programs import EVERYTHING, program
from support.nft_states import HERE, SCOPE, state, text
from support.strategies import programs_for
from svcc.apply.nft import DRIVER
from svcc.apply.scope import Scope
from svcc.compiler import ir
from svcc.kernel import tools
from svcc.kernel.nft import tool
from svcc.kernel.nft.state import NftState
from svcc.kernel.routes import Route, Routes
from svcc.kernel.steps import Change, FrontendAddress, Phase, StepError, Verb
from svcc.targets.nft import TARGET

_CASES = programs_for(TARGET)
_GOLDEN = sorted(GOLDEN.glob("nft/*/*.json"))


def of(source: str) -> NftState:
    parsed = program(source)
    return state(parsed, parsed.nodes[0] if parsed.nodes else None)


_ONE = "service shop/web { vip 198.19.10.0; port 80/tcp -> 8080; endpoints { 100.64.0.9; 100.64.0.19 } }"


# ---- documents


@pytest.mark.parametrize("path", _GOLDEN, ids=lambda path: path.parent.name)
def test_a_golden_document_is_a_state_that_survives_the_journal(path: Path) -> None:
    document = path.read_text()
    found = DRIVER.parse(document, Scope(json.loads(document)["nftables"][0]["add"]["table"]["name"].upper()))
    assert found.tables
    assert DRIVER.load(json.loads(json.dumps(DRIVER.dump(found)))) == found


def test_nothing_is_the_empty_state() -> None:
    nothing = program("cluster { prefix LAB }")
    assert text(nothing, None) != ""
    assert DRIVER.parse("", SCOPE) == DRIVER.parse(text(nothing, None), SCOPE) == NftState()
    assert DRIVER.load(DRIVER.dump(NftState())) == NftState()


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("{", "", "line 1: "),
        ('"add": {"chain": {"family": "ip"', '"add": {"chain": {"family": "inet"', "line "),
        ('"name": "services"', '"nom": "services"', "line "),
        ('{"delete": {"table"', '{"flush": {"table"', "line 3: "),
    ],
)
def test_what_svcc_would_not_have_written_is_an_error_with_its_line(old: str, new: str, said: str) -> None:
    document = text(program(_ONE), None)
    wrong = document.replace(old, new, 1)
    assert wrong != document
    with pytest.raises(ValueError, match=f"^{said}") as raised:
        DRIVER.parse(wrong, SCOPE)
    different = next(
        i for i, pair in enumerate(zip(document.splitlines(), wrong.splitlines(), strict=True), 1) if len({*pair}) > 1
    )
    assert str(raised.value).startswith(f"line {different}:")


def test_a_table_of_another_name_is_an_error() -> None:
    with pytest.raises(ValueError, match="not our table"):
        DRIVER.parse(text(program(_ONE), None), Scope("OTHER"))


# ---- changes


def test_every_object_is_one_change() -> None:
    found = list(DRIVER.changes(NftState(), of(_ONE)))
    assert found[0] == Change(Verb.ADD, "nft", "table", "ip lab")
    services = Change(
        Verb.ADD,
        "nft",
        "element",
        "ip services 198.19.10.0 . tcp . 80",
        after="goto spread-2-8080",
        frontend=FrontendAddress("198.19.10.0", "tcp", 80),
        label="shop/web",
    )
    assert services in found
    assert Change(Verb.ADD, "nft", "chain", "ip spread-2-8080") in found
    assert len({(change.kind, change.subject) for change in found}) == len(found)
    gone = [Change(Verb.REMOVE, c.part, c.kind, c.subject, c.after, "", c.frontend, c.label) for c in found]
    assert sorted(map(str, gone)) == sorted(map(str, DRIVER.changes(of(_ONE), NftState())))


def test_places_of_ranges_and_node_ports() -> None:
    everything = program(EVERYTHING)
    found = DRIVER.changes(NftState(), state(everything, everything.node("one")))
    frontends = {change.subject: change.frontend for change in found}
    assert frontends["ip udp-range-services 198.19.10.12 . 5000-5009"] == FrontendAddress("198.19.10.12", "udp", 5000)
    assert frontends["ip nodeport-udp-range-endpoint-0 31000-31009"] == FrontendAddress(None, "udp", 31000)
    assert frontends["ip6 services fd00:19::10 . udp . 53"] == FrontendAddress("fd00:19::10", "udp", 53)
    assert frontends["ip nodeports tcp . 30080"] == FrontendAddress(None, "tcp", 30080)
    assert frontends["ip addresses 198.19.10.0"] is None


def test_a_changed_element_shows_both_values() -> None:
    old, new = of(_ONE), of(_ONE.replace("100.64.0.19", "100.64.0.29"))
    assert [str(change) for change in DRIVER.changes(old, new)] == [
        "~ element ip endpoint-1 198.19.10.0 . tcp . 80: 100.64.0.19 -> 100.64.0.29",
        "+ element ip hairpin 100.64.0.29 . 100.64.0.29",
        "- element ip hairpin 100.64.0.19 . 100.64.0.19",
    ]
    renamed = of(_ONE.replace("shop/web", "shop/www"))
    (change,) = DRIVER.changes(old, renamed)
    assert (change.before, change.after) == (
        'goto spread-2-8080 comment "shop/web"',
        'goto spread-2-8080 comment "shop/www"',
    )


@given(_CASES, _CASES)
def test_changes_and_steps_are_there_where_states_differ(
    old: tuple[ir.Program, ir.Node | None], new: tuple[ir.Program, ir.Node | None]
) -> None:
    live, wanted = state(*old), state(*new)
    found = list(DRIVER.changes(live, wanted))
    assert bool(found) == (live != wanted) == bool(DRIVER.steps(live, wanted, SCOPE, HERE))
    assert len({(change.kind, change.subject) for change in found}) == len(found)


# ---- routes


def test_routes_of_a_service() -> None:
    frontend = FrontendAddress("198.19.10.0", "tcp", 80)
    assert set(DRIVER.routes(of(_ONE))) == {Route(frontend, "100.64.0.9", 8080), Route(frontend, "100.64.0.19", 8080)}


def test_a_range_has_one_route() -> None:
    ranges = "service r { vip 198.19.10.0; port 5000-5002/udp -> 6000 nodeport 31000-31002; endpoints { 100.64.0.9 } }"
    assert set(DRIVER.routes(of(f"node one {{ address 10.0.0.4 }}\n{ranges}"))) == {
        Route(FrontendAddress(address, "udp", first), "100.64.0.9", 6000, 3)
        for address, first in (("198.19.10.0", 5000), (None, 31000))
    }


@given(_CASES)
def test_routes_are_those_of_the_frontends(case: tuple[ir.Program, ir.Node | None]) -> None:
    from svcc.compiler.frontends import frontends

    wanted = set()
    for frontend in frontends(*case):
        if frontend.restricted and not frontend.allow_from:
            continue  # nobody may come
        for endpoint in frontend.endpoints:
            address = None if frontend.address is None else str(frontend.address)
            at = FrontendAddress(address, frontend.port.protocol.value, frontend.ports.first)
            target = endpoint.port or frontend.port.target
            wanted.add(Route(at, str(endpoint.address), target, len(frontend.ports)))
    assert Routes.of(DRIVER.routes(state(*case))) == Routes.of(wanted)


@given(st.lists(_CASES, min_size=2, max_size=2))
def test_what_is_left_is_the_difference_of_routes(cases: list[tuple[ir.Program, ir.Node | None]]) -> None:
    old, new = (state(*case) for case in cases)
    assert DRIVER.gone_routes(old, new) == Routes.of(DRIVER.routes(old)) - Routes.of(DRIVER.routes(new))
    assert DRIVER.gone_routes(old, NftState()) == Routes.of(DRIVER.routes(old))
    assert DRIVER.gone_routes(NftState(), new) == Routes()


# ---- steps


def test_one_endpoint_among_ten_thousand_services_is_its_elements() -> None:
    many = large_programs.plain(10_000)
    number = 5_004  # it has eleven endpoints
    service = many.services[number]
    other = replace(service, endpoints=(*service.endpoints[:-1], ir.Endpoint(ip_address("100.127.0.1"))))
    changed = replace(many, services=(*many.services[:number], other, *many.services[number + 1 :]))
    old, new = state(many, None), state(changed, None)
    steps = DRIVER.steps(old, new, SCOPE, HERE)
    assert [(step.phase, step.atomic, step.size, step.title) for step in steps] == [
        (Phase.RULES, True, 3, "2 elements added, 1 removed"),
        (Phase.SETS_OFF, True, 1, "1 element removed"),
    ]
    vip, gone = service.vips[0], service.endpoints[-1].address
    assert [str(change) for change in DRIVER.changes(old, new)] == [
        f"~ element ip endpoint-10 {vip} . tcp . 80: {gone} -> 100.127.0.1",
        "+ element ip hairpin 100.127.0.1 . 100.127.0.1",
        f"- element ip hairpin {gone} . {gone}",
    ]
    assert {*DRIVER.gone_routes(old, new)} == {Route(FrontendAddress(str(vip), "tcp", 80), str(gone), 8080)}


def test_one_service_more_among_ten_thousand_fills_no_chain() -> None:
    many, more = large_programs.plain(10_000), large_programs.plain(10_001)
    endpoints = 10_000 % large_programs.SIZES + 1
    (step,) = DRIVER.steps(state(many, None), state(more, None), SCOPE, HERE)
    assert step.title == f"{2 + 2 * endpoints} elements added"


def test_without_nft_nothing_is_ours_and_nothing_can_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tools, "find", lambda _: None)
    monkeypatch.setattr(tool, "_library", lambda: None)
    assert DRIVER.read(SCOPE, NftState()) == NftState()
    (step,) = DRIVER.steps(NftState(), of(_ONE), SCOPE, HERE)
    assert step.check is not None
    for act in (step.check, step.run):
        with pytest.raises(StepError, match="nft: nft is not installed"):
            act()
