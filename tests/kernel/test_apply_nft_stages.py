"""The transactions by which one state of nft's tables becomes another, and what packets meet in their midst."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from typing import TypeAlias

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.nft_programs import EVERYTHING
from support.nft_states import HERE, SCOPE, nft, read, state, state_of, take
from support.nft_walks import LOST, Moment, packets
from support.strategies import programs_for
from svcc.apply.driver import Transition
from svcc.apply.nft import DRIVER
from svcc.apply.nft.switching import stages
from svcc.compiler import ir
from svcc.kernel.namespaces import Namespace
from svcc.kernel.nft.delta import must_rebuild
from svcc.kernel.nft.state import NftState
from svcc.kernel.steps import Phase, Step
from svcc.targets.nft import TARGET

pytestmark = pytest.mark.kernel

_CASES = programs_for(TARGET)
Case: TypeAlias = tuple[ir.Program, ir.Node | None]
#: A kernel of today, one that loses sight of ranges while they change, and one that takes chains out later.
_KERNELS = pytest.mark.parametrize("release", [(6, 18), (6, 12), (6, 1)], ids=str)

_EVERYTHING = state_of(EVERYTHING)
_ONE = "service one { vip 198.19.10.0; port 80/tcp -> 8080; endpoints { 100.64.0.9; 100.64.0.19 } }"
_RANGE = "service one { vip 198.19.10.0; port 5000-5099/tcp -> 8080; endpoints { 100.64.0.9; 100.64.0.19 } }"
_TWO = _ONE + "\nservice two { vip 198.19.10.1; scheduler rr; port 80/tcp; endpoints { 100.64.0.9; 100.64.0.19 } }"


@pytest.fixture(autouse=True)
def _inside() -> Iterator[None]:
    namespace = Namespace("stages")
    with namespace.entered():
        yield
    namespace.close()


# ---- the steps


def _steps(live: NftState, wanted: NftState) -> list[Step]:
    return DRIVER.steps(live, wanted, SCOPE, HERE)


def _titles(live: NftState, wanted: NftState) -> list[tuple[Phase, str]]:
    return [(step.phase, step.title) for step in _steps(live, wanted)]


def test_chains_come_before_what_leads_there_and_elements_go_when_nothing_asks_for_them() -> None:
    assert _titles(state_of(_ONE), state_of(_TWO)) == [
        (Phase.SETS, "1 element added; 3 chains added"),
        (Phase.RULES, "4 elements added"),
    ]
    assert _titles(state_of(_TWO), state_of(_ONE)) == [
        (Phase.RULES, "1 element removed"),
        (Phase.SETS_OFF, "4 elements removed; 3 chains removed"),
    ]


def test_another_endpoint_in_the_same_place_is_one_step() -> None:
    assert _titles(state_of(_ONE), state_of(_ONE.replace("100.64.0.19", "100.64.0.29"))) == [
        (Phase.RULES, "2 elements added, 1 removed"),
        (Phase.SETS_OFF, "1 element removed"),
    ]


def test_intervals_that_overlap_change_at_once() -> None:
    ports = "service one {{ vip 198.19.10.0; port {}/udp; endpoints {{ 100.64.0.9; 100.64.0.19 }} }}"
    live, wanted = state_of(ports.format("5000-5099")), state_of(ports.format("5050-5199"))
    take(NftState(), live)
    take(live, wanted)
    assert read() == wanted
    fewer = state_of(ports.format("5050-5199").replace("; 100.64.0.19", ""))
    assert _titles(wanted, fewer)[-1][0] is Phase.SETS_OFF
    take(wanted, fewer)
    assert read() == fewer


def test_titles_tell_what_becomes_of_tables() -> None:
    (step,) = _steps(NftState(), state_of(_ONE))
    assert step.title.startswith("table ip lab added; 7 elements added; ")
    assert _titles(state_of(_ONE), NftState()) == [
        (Phase.RULES, "4 chains changed"),
        (Phase.RULES, "table ip lab removed"),
    ]


def test_a_table_that_takes_over_from_another_target_has_its_intervals_first() -> None:
    first, second = DRIVER.steps(NftState(), _EVERYTHING, SCOPE, Transition("ipvs", "nft"))
    assert (first.phase, second.phase) == (Phase.SETS, Phase.RULES)
    first.run()
    for family, table in read().tables.items():
        whole = _EVERYTHING.tables[family]
        assert table.chains == {name: chain for name, chain in whole.chains.items() if not chain.is_base}
        assert table.sets == {
            name: named if named.declaration.interval else replace(named, elements={})
            for name, named in whole.sets.items()
        }
    second.run()
    assert read() == _EVERYTHING


def test_before_a_table_goes_no_packet_gets_in_any_more() -> None:
    """Else chains that are deleted still refuse what others of them do not translate any more."""
    take(NftState(), _EVERYTHING)
    live = read()
    silence, switch = _steps(live, NftState())
    silence.run()
    sources = ("nat-postrouting", "nat-input")  # for packets whose destination is translated already
    silent = {
        family: replace(
            table,
            chains={n: c if c.hook is None or n in sources else replace(c, rules=()) for n, c in table.chains.items()},
        )
        for family, table in live.tables.items()
    }
    assert read() == NftState(silent)
    assert [step.title for step in _steps(read(), NftState())] == [switch.title]
    switch.run()
    assert nft("list ruleset") == ""


# ---- what becomes of packets in the midst of a transaction


@_KERNELS
@settings(max_examples=60, deadline=None)
@given(_CASES, _CASES)
def test_no_packet_is_lost_on_the_way(release: tuple[int, int], before: Case, after: Case) -> None:
    _check_no_packet_is_lost(state(*before), state(*after), release)


@st.composite
def _split_ports(draw: st.DrawFn) -> NftState:
    """Draw a service whose ports from 80 to 86 are single ones and ranges."""
    firsts = sorted({80, 87, *draw(st.sets(st.integers(81, 86)))})
    ports = [f"port from-{first} {first}-{after - 1}/tcp;" for first, after in pairwise(firsts)]
    endpoints = "; ".join(draw(st.lists(st.sampled_from(_ENDPOINTS), min_size=1, max_size=3, unique=True)))
    more = draw(st.sampled_from(["", "scheduler rr;", "affinity client-ip 1h;"]))
    where = draw(st.sampled_from(["vip 198.19.10.0;", "vip 198.19.10.0; allow-from 100.64.7.0/24;"]))
    return state_of(f"service one {{ {where} {more} {' '.join(ports)} endpoints {{ {endpoints} }} }}")


_ENDPOINTS = ["100.64.0.9", "100.64.0.19", "100.64.0.29", "100.64.0.39 weight 2"]


@_KERNELS
@settings(max_examples=60, deadline=None)
@given(_split_ports(), _split_ports())
def test_no_packet_is_lost_where_single_ports_and_ranges_change(
    release: tuple[int, int], live: NftState, wanted: NftState
) -> None:
    _check_no_packet_is_lost(live, wanted, release)


def _check_no_packet_is_lost(live: NftState, wanted: NftState, release: tuple[int, int]) -> None:
    """Check that what both states serve is served by each state between, and in the moments in which one becomes the
    next."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("svcc.apply.nft.switching.kernel", lambda: release)
        found = stages(live, wanted, taking_over=False)
    states = [live, *(stage.new for stage in found)]
    assert states[-1] == wanted
    for family in live.tables.keys() & wanted.tables.keys():
        tables = [it.tables[family] for it in states]
        if must_rebuild(tables[0], tables[-1]):
            continue
        for packet in packets(tables[0], tables[-1]):
            if not any(LOST in Moment(table, table).ends(packet) for table in (tables[0], tables[-1])):
                for old, new in pairwise(tables):
                    assert LOST not in Moment(old, new, hides=release < (6, 17)).ends(packet), packet


@settings(max_examples=60, deadline=None)
@given(_CASES, _CASES)
def test_new_sets_of_intervals_are_complete_before_rules_ask_them(before: Case, after: Case) -> None:
    live, wanted = state(*before), state(*after)
    ready = stages(live, wanted, taking_over=False)[0].new
    for family in live.tables.keys() & wanted.tables.keys():
        if not must_rebuild(live.tables[family], wanted.tables[family]):
            for name in wanted.tables[family].sets.keys() - live.tables[family].sets.keys():
                named = wanted.tables[family].sets[name]
                assert not named.declaration.interval or ready.tables[family].sets[name] == named


# ---- old kernels


def _check_nothing_is_hidden(live: NftState, wanted: NftState, monkeypatch: pytest.MonkeyPatch) -> None:
    """Even when they only try to delete an interval, old kernels find it no more for a moment."""
    tried: list[object] = []
    first, *_ = _steps(live, wanted)
    with monkeypatch.context() as patch:
        patch.setattr("svcc.kernel.nft.tool.check", tried.extend)
        assert first.check is not None
        first.check()
    assert tried
    names = "|".join(name for name in live.tables["ip"].sets if "range-" in name)
    assert not [one for one in tried if re.search(f'"delete": {{"element".*"({names})"', json.dumps(one))]
    assert {"delete": {"table": {"family": "ip", "name": "lab"}}} not in tried


@pytest.mark.parametrize("release", [(6, 12), (6, 1)])
def test_ranges_change_while_another_map_answers_for_them(
    release: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("svcc.apply.nft.switching.kernel", lambda: release)
    live = state_of(_RANGE)
    for wanted in (
        state_of(_RANGE.replace("0.19", "0.29")),
        state_of(_RANGE.replace("; 100.64.0.19", "")),
        live,
        state_of(_ONE),
        live,
    ):
        _check_no_packet_is_lost(read(), wanted, release)
        take(read(), wanted)
        assert read() == wanted
    wanted = state_of(_RANGE.replace("0.19", "0.29").replace("5099", "5089"))
    steps = _steps(read(), wanted)
    assert [step.phase for step in steps if step.phase is Phase.RULES] == [Phase.RULES] * 3
    _check_nothing_is_hidden(live, wanted, monkeypatch)
    _check_nothing_is_hidden(live, NftState(), monkeypatch)
    for number in range(len(steps)):
        for target in (live, wanted):
            take(read(), live)
            for step in _steps(read(), wanted)[: number + 1]:
                step.run()
            take(read(), target)
            assert read() == target


def test_an_old_kernel_takes_chains_out_when_nothing_leads_there_any_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("svcc.apply.nft.switching.kernel", lambda: (6, 1))
    take(NftState(), state_of(_TWO))
    live, wanted = read(), state_of(_ONE)
    switch, emptying, sweep = _steps(live, wanted)
    assert (switch.phase, emptying.phase, sweep.phase) == (Phase.RULES, Phase.SETS_OFF, Phase.SETS_OFF)
    assert (switch.title, emptying.title) == ("1 element removed", "3 chains changed")
    assert sweep.title == "4 elements removed; 3 chains removed"
    switch.run()
    emptying.run()
    between = read()
    assert {n: c for n, c in between.tables["ip"].chains.items() if n in wanted.tables["ip"].chains} == dict(
        wanted.tables["ip"].chains
    )
    assert {n: c.rules for n, c in between.tables["ip"].chains.items() if n not in wanted.tables["ip"].chains} == {
        "rr-two": (),
        "to-0-80": (),
        "to-1-80": (),
    }
    sweep.run()
    assert read() == wanted


def test_an_old_kernel_can_be_left_and_entered_half_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("svcc.apply.nft.switching.kernel", lambda: (5, 15))
    take(NftState(), _EVERYTHING)
    for number in range(len(_steps(read(), state_of(_ONE)))):
        take(read(), _EVERYTHING)
        for step in _steps(read(), state_of(_ONE))[: number + 1]:
            step.run()
        half = read()
        for wanted in (state_of(_ONE), half, _EVERYTHING, NftState()):
            take(read(), wanted)
            assert read() == wanted
