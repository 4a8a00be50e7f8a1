"""The nft driver's transactions: what they leave alone, their order, and what is said of one that is refused."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Set
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import TypeAlias

import pytest
from hypothesis import assume, given, settings

from support.files import GOLDEN
from support.nft_programs import EVERYTHING, program
from support.nft_states import HERE, SCOPE, nft, read, state, take, use_release
from support.strategies import programs_for
from support.tools import nft as releases
from support.tools.nft import RELEASES
from svcc.apply.driver import Transition
from svcc.apply.nft import DRIVER
from svcc.apply.nft.routes import routes
from svcc.apply.nft.slots import Slots
from svcc.apply.nft.stages import prepared, switched
from svcc.apply.nft.switching import stages
from svcc.apply.scope import Scope
from svcc.compiler import ir
from svcc.kernel.namespaces import Namespace
from svcc.kernel.nft.delta import must_rebuild
from svcc.kernel.nft.state import VERDICT, Chain, Element, NftState, Table
from svcc.kernel.nft.statements import Foreign, Goto
from svcc.kernel.steps import Change, FrontendAddress, Phase, Step, StepError, Verb
from svcc.targets.nft import TARGET

pytestmark = pytest.mark.kernel

_GOLDEN = sorted(GOLDEN.glob("nft/*/*.json"))
_CASES = programs_for(TARGET)
Case: TypeAlias = tuple[ir.Program, ir.Node | None]
_RELEASES = pytest.mark.parametrize("release", RELEASES)


@pytest.fixture(autouse=True)
def _inside() -> Iterator[None]:
    for release in RELEASES:
        releases.nft(release)  # they are fetched here, if they are: inside there is no network
    namespace = Namespace("steps")
    with namespace.entered():
        yield
    namespace.close()


def of(source: str) -> NftState:
    parsed = program(source)
    return state(parsed, parsed.nodes[0] if parsed.nodes else None)


_EVERYTHING = of(EVERYTHING)
_ONE = "service one { vip 198.19.10.0; port 80/tcp -> 8080; endpoints { 100.64.0.9; 100.64.0.19 } }"
_RANGE = "service one { vip 198.19.10.0; port 5000-5099/tcp -> 8080; endpoints { 100.64.0.9; 100.64.0.19 } }"
_TWO = _ONE + "\nservice two { vip 198.19.10.1; scheduler rr; port 80/tcp; endpoints { 100.64.0.9; 100.64.0.19 } }"


# ---- listings


@_RELEASES
@pytest.mark.parametrize("path", _GOLDEN, ids=lambda path: path.parent.name)
def test_a_golden_document_is_listed_as_what_it_is(
    path: Path, release: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Loaded by nft itself, without the driver, and read."""
    use_release(release, tmp_path, monkeypatch)
    document = path.read_text()
    scope = Scope(json.loads(document)["nftables"][0]["add"]["table"]["name"].upper())
    nft(str(path), "-j", "-f")
    wanted = DRIVER.parse(document, scope)
    assert list(DRIVER.changes(DRIVER.read(scope, wanted), wanted)) == []
    assert DRIVER.read(scope, wanted) == wanted


@_RELEASES
def test_everything_is_listed_as_what_it_is(release: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use_release(release, tmp_path, monkeypatch)
    take(NftState(), _EVERYTHING)
    assert list(DRIVER.changes(read(), _EVERYTHING)) == []


def test_nft_may_be_replaced_by_a_newer_release(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    take(NftState(), _EVERYTHING)
    use_release("sid", tmp_path, monkeypatch)
    assert read() == _EVERYTHING


def test_a_crash_of_nft_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    take(NftState(), _EVERYTHING)  # of tables that there are not, nft is not asked
    wrapper = tmp_path / "nft"
    wrapper.write_text("#!/bin/sh\nkill -SEGV $$\n")
    wrapper.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(StepError, match="nft: nft was killed by SIGSEGV"):
        read()


# ---- what is left alone

_OTHERS = """
table ip others {
    comment "not ours"
    set s { type ipv4_addr; flags timeout; elements = { 10.0.0.1 timeout 10h } }
    map services { type ipv4_addr . inet_proto . inet_service : verdict; elements = { 10.0.0.1 . tcp . 80 : drop } }
    chain lab { type nat hook prerouting priority -101; ip daddr 198.19.10.0 counter accept; }
}
table ip6 labs {
    chain lab { }
}
table inet lab {
    chain dispatch { type filter hook input priority 0; counter; }
}
table arp lab { }
table bridge lab {
    set addresses { type ether_addr; }
}
"""


def test_other_tables_are_untouched(tmp_path: Path) -> None:
    (tmp_path / "others").write_text(_OTHERS)
    nft(str(tmp_path / "others"), "-f")

    def others() -> list[str]:
        tables = ("ip others", "ip6 labs", "inet lab", "arp lab", "bridge lab")
        return [nft(f"list table {table}", "-a", "-s") for table in tables]

    before = others()
    for wanted in (_EVERYTHING, of(_ONE), _EVERYTHING, NftState()):
        take(read(), wanted)
        assert others() == before
    assert sorted(nft("list tables").splitlines()) == sorted(
        line.partition(" {")[0] for line in _OTHERS.splitlines() if line[:5] == "table"
    )


def _handles() -> dict[tuple[str, str], list[int]]:
    """The handles of our rules by chain, and of our sets."""
    found: dict[tuple[str, str], list[int]] = {}
    for family in read().tables:
        for entry in json.loads(nft(f"list table {family} lab", "-j"))["nftables"]:
            ((kind, fields),) = entry.items()
            if kind in ("rule", "set", "map", "chain"):
                found.setdefault((family, fields.get("chain", fields.get("name"))), []).append(fields["handle"])
    return found


def test_chains_and_sets_that_stay_are_the_same_objects() -> None:
    """So counters of rr go on, and sets of affinity keep their clients."""
    take(NftState(), of(_TWO))
    before = _handles()
    more = "service three { vip 198.19.10.2; scheduler rr; port 81/tcp; endpoints { 100.64.0.9; 100.64.0.29 } }"
    take(read(), of(f"{_TWO}\n{more}"))
    after = _handles()
    assert {name: after[name] for name in before} == before
    take(read(), of(_TWO))
    assert _handles() == before


def test_a_check_changes_nothing() -> None:
    take(NftState(), of(_ONE))
    before = nft("list ruleset", "-a")
    for wanted in (_EVERYTHING, of(_TWO), NftState()):
        first, *_ = DRIVER.steps(read(), wanted, SCOPE, HERE)
        assert first.check is not None
        first.check()
        assert nft("list ruleset", "-a") == before


@pytest.mark.parametrize(
    "by_hand",
    [
        "add table ip lab { flags dormant; }",
        "chain ip lab nat-output { policy drop; }",
        "delete rule ip lab nat-postrouting handle {handle}",
        "add counter ip lab mine",
        "add set ip lab mine { type ipv4_addr; }",
        "add chain ip lab mine { type filter hook input priority 7; }",
        "delete table ip6 lab",
        "add table ip6 lab; delete table ip6 lab; add table ip6 lab",
    ],
)
def test_what_somebody_did_is_seen_and_undone(by_hand: str) -> None:
    take(NftState(), _EVERYTHING)
    handle = _handles()["ip", "nat-postrouting"][-1]
    nft(by_hand.replace("{handle}", str(handle)))
    drifted = read()
    assert list(DRIVER.changes(drifted, _EVERYTHING))
    take(drifted, _EVERYTHING)
    assert read() == _EVERYTHING
    take(_EVERYTHING, drifted)
    if "counter" not in by_hand and "dormant" not in by_hand:  # which svcc cannot make
        assert read() == drifted


# ---- what a packet in the midst of a transaction may see


def _steps(live: NftState, wanted: NftState) -> list[Step]:
    return DRIVER.steps(live, wanted, SCOPE, Transition("nft", "nft"))


def _titles(live: NftState, wanted: NftState) -> list[tuple[Phase, str]]:
    return [(step.phase, step.title) for step in _steps(live, wanted)]


def test_chains_come_before_what_leads_there_and_elements_go_when_nothing_asks_for_them() -> None:
    assert _titles(of(_ONE), of(_TWO)) == [
        (Phase.SETS, "1 element added; 3 chains added"),
        (Phase.RULES, "4 elements added"),
    ]
    assert _titles(of(_TWO), of(_ONE)) == [
        (Phase.RULES, "1 element removed"),
        (Phase.SETS_OFF, "4 elements removed; 3 chains removed"),
    ]


def test_another_endpoint_in_the_same_place_is_one_step() -> None:
    assert _titles(of(_ONE), of(_ONE.replace("100.64.0.19", "100.64.0.29"))) == [
        (Phase.RULES, "2 elements added, 1 removed"),
        (Phase.SETS_OFF, "1 element removed"),
    ]


@settings(max_examples=60, deadline=None)
@given(_CASES, _CASES)
def test_every_state_has_what_packets_that_met_the_one_before_may_ask_for(before: Case, after: Case) -> None:
    live, wanted = state(*before), state(*after)
    kept = {family for family, old in live.tables.items() if family in wanted.tables}
    assume(kept and not any(must_rebuild(live.tables[family], wanted.tables[family]) for family in kept))
    for old, new in pairwise((live, prepared(live, wanted), switched(live, wanted), wanted)):
        for family in kept:
            assert _demands(old.tables[family]) <= _elements(new.tables[family])
            assert _led_to(new.tables[family], old.tables[family]) <= old.tables[family].chains.keys()


@settings(max_examples=60, deadline=None)
@given(_CASES, _CASES)
def test_new_rules_need_no_interval_that_comes_with_them(before: Case, after: Case) -> None:
    """The kernel shows packets the intervals of a transaction a moment after its rules."""
    live, wanted = state(*before), state(*after)
    ready, due = prepared(live, wanted), switched(live, wanted)
    for family, table in due.tables.items():
        old = ready.tables.get(family)
        if old is None or must_rebuild(old, table):
            continue
        sets = {
            name: replace(named, elements=old.sets[name].elements if name in old.sets else {})
            if named.declaration.interval
            else named
            for name, named in table.sets.items()
        }
        late = replace(table, sets=sets)
        served = _frontends(live.tables[family]) & _frontends(wanted.tables[family])
        assert served <= _frontends(late)
        for name in table.sets.keys() - live.tables[family].sets.keys():
            assert sets[name] == table.sets[name]


def _frontends(table: Table) -> set[FrontendAddress]:
    return {route.frontend for route in routes(NftState({"ip": table}))}


def _demands(table: Table) -> set[tuple[str, str]]:
    """Map and key of the elements that packets ask for; but for ranges, of which those that overlap change at once."""
    slots = Slots(table)
    return {
        (slot.endpoints, key)
        for known, name in slots.frontend_maps.services.items()
        if known.protocol is None
        for key, (verdict, _) in table.sets[name].elements.items()
        for slot in slots.of(verdict)
        if slots.endpoint(slot, key)
    }


def _elements(table: Table) -> set[tuple[str, str]]:
    return {(name, key) for name, named in table.sets.items() for key in named.elements}


def _led_to(table: Table, before: Table) -> set[str]:
    """The chains that elements lead to, without new intervals: packets of old rules that get there were not served."""
    return {
        value.partition(" ")[2]
        for name, named in table.sets.items()
        if named.declaration.data == VERDICT
        for key, (value, _) in named.elements.items()
        if not named.declaration.interval or (name in before.sets and key in before.sets[name].elements)
    } - {""}


def test_intervals_that_overlap_change_at_once() -> None:
    ports = "service one {{ vip 198.19.10.0; port {}/udp; endpoints {{ 100.64.0.9; 100.64.0.19 }} }}"
    live, wanted = of(ports.format("5000-5099")), of(ports.format("5050-5199"))
    take(NftState(), live)
    take(live, wanted)
    assert read() == wanted
    fewer = of(ports.format("5050-5199").replace("; 100.64.0.19", ""))
    assert _titles(wanted, fewer)[-1][0] is Phase.SETS_OFF
    take(wanted, fewer)
    assert read() == fewer


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


@settings(max_examples=60, deadline=None)
@given(_CASES, _CASES)
def test_old_kernels_ask_another_map_while_intervals_change(before: Case, after: Case) -> None:
    """They find no interval in the moment in which it changes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("svcc.apply.nft.switching.kernel", lambda: (6, 12))
        _check_stages(state(*before), state(*after))


def _check_stages(live: NftState, wanted: NftState) -> None:
    states = [live, *(stage.new for stage in stages(live, wanted, taking_over=False))]
    assert states[-1] == wanted
    for old, new in pairwise(states):
        for family in old.tables.keys() & new.tables.keys():
            if not must_rebuild(old.tables[family], new.tables[family]):
                kept = wanted.tables[family].chains.keys() if family in wanted.tables else frozenset[str]()
                _check_changed_intervals(old.tables[family], new.tables[family], kept)


def _check_changed_intervals(old: Table, new: Table, kept: Set[str]) -> None:
    """``kept``: the chains that stay. Of the others, a stand-in of the map of services keeps packets already."""
    for name in old.sets.keys() & new.sets.keys():
        before, after = old.sets[name], new.sets[name]
        changed = {
            key: element
            for key, element in after.elements.items()
            if key in before.elements and before.elements[key] != element
        }
        if changed and before.declaration.interval and len(before.declaration.types) > 1:
            for table in (old, new):
                rules = (rule for chain in kept & table.chains.keys() for rule in table.chains[chain].rules)
                for first, second in pairwise(rules):
                    if f'"@{name}"' in json.dumps([made.json() for made in second]):
                        other = json.dumps([made.json() for made in first])
                        (spare,) = (it for it in table.sets if it.startswith(f"{name}-") and f'"@{it}"' in other)
                        assert changed.items() <= table.sets[spare].elements.items()


@pytest.mark.parametrize("release", [(6, 12), (6, 1)])
def test_ranges_change_while_another_map_answers_for_them(
    release: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("svcc.apply.nft.switching.kernel", lambda: release)
    live = of(_RANGE)
    for wanted in (of(_RANGE.replace("0.19", "0.29")), of(_RANGE.replace("; 100.64.0.19", "")), live, of(_ONE), live):
        _check_stages(read(), wanted)
        take(read(), wanted)
        assert read() == wanted
    wanted = of(_RANGE.replace("0.19", "0.29").replace("5099", "5089"))
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
    take(NftState(), of(_TWO))
    live, wanted = read(), of(_ONE)
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
    } | {"to-1-80": ()}
    sweep.run()
    assert read() == wanted


def test_an_old_kernel_can_be_left_and_entered_half_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("svcc.apply.nft.switching.kernel", lambda: (5, 15))
    take(NftState(), _EVERYTHING)
    for number in range(len(_steps(read(), of(_ONE)))):
        take(read(), _EVERYTHING)
        for step in _steps(read(), of(_ONE))[: number + 1]:
            step.run()
        half = read()
        for wanted in (of(_ONE), half, _EVERYTHING, NftState()):
            take(read(), wanted)
            assert read() == wanted


def test_titles_tell_what_becomes_of_tables() -> None:
    (step,) = _steps(NftState(), of(_ONE))
    assert step.title.startswith("table ip lab added; 7 elements added; ")
    assert _titles(of(_ONE), NftState()) == [(Phase.RULES, "4 chains changed"), (Phase.RULES, "table ip lab removed")]


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


# ---- refusals


def _with_element(whole: NftState, name: str, key: str, element: Element) -> NftState:
    table = whole.tables["ip"]
    named = table.sets[name]
    sets = {**table.sets, name: replace(named, elements={**named.elements, key: element})}
    return NftState({**whole.tables, "ip": replace(table, sets=sets)})


def test_an_element_to_a_chain_that_is_not_there_is_the_culprit() -> None:
    wanted = _with_element(_EVERYTHING, "services", "198.19.99.9 . tcp . 80", ("goto nowhere", "bad"))
    for live in (NftState(), _EVERYTHING):
        take(read(), live)
        (step,) = _steps(live, wanted)
        assert step.check is not None
        for act in (step.check, step.run):
            with pytest.raises(StepError) as raised:
                act()
            assert raised.value.words == "Could not process rule: No such file or directory"
            assert raised.value.culprit is not None
            assert str(raised.value.culprit) == "+ element ip services 198.19.99.9 . tcp . 80"
            assert raised.value.culprit.label == "bad"
            assert "nowhere" in raised.value.line
        assert read() == live


def test_what_came_after_the_reading_is_the_culprit() -> None:
    take(NftState(), of(_ONE))
    live = read()
    nft("add element ip lab services { 198.19.10.1 . tcp . 80 : drop }")
    with pytest.raises(StepError) as raised:
        take(live, of(_TWO))
    assert raised.value.culprit is not None
    assert raised.value.culprit.subject == "ip services 198.19.10.1 . tcp . 80"
    take(read(), of(_TWO))
    assert read() == of(_TWO)


def test_a_rule_is_the_culprit_by_its_chain() -> None:
    table = _EVERYTHING.tables["ip"]
    rules = ((Goto("nat-postrouting"),), (Foreign('{"masquerade": null}'), Goto("nowhere")))
    chains = {**table.chains, "wrong": Chain(rules)}
    wanted = NftState({**_EVERYTHING.tables, "ip": replace(table, chains=chains)})
    with pytest.raises(StepError) as raised:
        take(NftState(), wanted)
    culprit = raised.value.culprit
    assert culprit == Change(Verb.ADD, "nft", "chain", "ip wrong")
