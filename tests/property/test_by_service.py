"""What a service adds depends on it alone, and what is kept up to date is what would be compiled anew."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from support.edits import edited, edits
from support.nft_states import whole_plan
from support.strategies import programs_for
from support.xtables_states import whole_plan as xtables_plan
from svcc.apply.drivers.rules import Ip6tablesDriver, IptablesDriver
from svcc.compiler import ir
from svcc.compiler.load import load_text
from svcc.compiler.source import Source
from svcc.kernel.nft.state import NftState
from svcc.kernel.xtables.state import State, leads_to
from svcc.targets import targets
from svcc.targets.interface import Artifact, Assembly, Bundle, Shared, TargetByService
from svcc.targets.iptables import TARGET as IPTABLES
from svcc.targets.iptables import dispatch, prefixes
from svcc.targets.nft import TARGET as NFT

_BY_SERVICE = {name: target for name, target in targets().items() if isinstance(target, TargetByService)}
_TARGETS = pytest.mark.parametrize("name", _BY_SERVICE)
_SETTINGS = settings(suppress_health_check=[HealthCheck.too_slow])


_SHARED = """\
node node-a { address 10.0.0.4 }
service many {
  port a 80/tcp nodeport 30000
  port b 180-187/tcp nodeport 30001-30008
  port c 280-287/tcp nodeport 30009-30016
  endpoints { }
}
service web { external-ip 203.0.113.8 shared; port 80/tcp; endpoints { 100.64.0.2 } }
"""


def _services(program: ir.Program) -> dict[str, ir.Service]:
    return {service.name: service for service in program.services}


@_TARGETS
@_SETTINGS
@given(st.data())
def test_a_changed_service_changes_its_own_contribution_alone(name: str, data: st.DataObject) -> None:
    target = _BY_SERVICE[name]
    program, node = data.draw(programs_for(target))
    assume(program.services)
    shared = Shared(program.cluster, node, program.nodes)
    before = {one.name: target.contribution(shared, one) for one in program.services}
    for edit in data.draw(edits(program)):
        program = edited(program, edit)
        after = {one.name: target.contribution(shared, one) for one in program.services}
        assert {one for one in before.keys() | after.keys() if before.get(one) != after.get(one)} <= edit.keys()
        before = after


@_TARGETS
@_SETTINGS
@given(st.data())
def test_updating_gives_what_compiling_anew_gives(name: str, data: st.DataObject) -> None:
    target = _BY_SERVICE[name]
    program, node = data.draw(programs_for(target))
    assume(program.services)
    assembly = target.assembly(Shared(program.cluster, node, program.nodes))
    assembly.update(_services(program))
    assert assembly.bundle() == target.render(program, node)
    for edit in data.draw(edits(program)):
        program = edited(program, edit)
        assembly.update(edit)
        anew = target.render(program, node)
        found = assembly.bundle()
        assert found == anew
        assert [one.state for one in found.artifacts] == [one.state for one in anew.artifacts]


@pytest.fixture(params=[prefixes.FEW, 2])
def few(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """As many addresses or ports stand in one chain: two, so that small programs have branches too."""
    monkeypatch.setattr(prefixes, "FEW", request.param)
    monkeypatch.setattr(dispatch, "FEW", request.param)


@pytest.mark.usefixtures("few")
@settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
@given(st.data())
def test_the_difference_of_an_update_gives_the_plan_of_the_whole_scripts(data: st.DataObject) -> None:
    program, node = data.draw(programs_for(IPTABLES))
    assume(program.services)
    shared = Shared(program.cluster, node, program.nodes)
    assembly = IPTABLES.assembly(shared)
    assembly.update(_services(program))
    whole = _states(assembly)
    for edit in data.draw(edits(program)):
        program = edited(program, edit)
        differences = assembly.update(edit)
        after = _states(assembly)
        assert after == _states(IPTABLES.assembled(program, node))
        for driver in (IptablesDriver(), Ip6tablesDriver()):
            old, new = whole[driver.part], after[driver.part]
            difference = differences.get(driver.part)
            if difference is None:
                assert old == new
                continue
            before, now = difference.before, difference.after
            assert isinstance(before, State)
            assert isinstance(now, State)
            assert xtables_plan(driver, before, now) == xtables_plan(driver, old, new)
            assert _leading_nowhere(before, now) == set()
            assert _come(driver.part, before, now) == _come(driver.part, old, new)
        whole = after


def test_a_shared_address_that_leaves_changes_the_way_to_many_node_ports() -> None:
    """All chains are there that what is written leads to, though the service that leaves has no node port."""
    program = load_text(Source("shared.dsl", _SHARED)).program
    assert program is not None
    assembly = IPTABLES.assembled(program, program.nodes[0])
    for difference in assembly.update({"web": None}).values():
        assert isinstance(difference.before, State)
        assert isinstance(difference.after, State)
        assert _leading_nowhere(difference.before, difference.after) == set()


def _states(assembly: Assembly) -> dict[str, State]:
    return {one.part.name: one.state for one in assembly.bundle().artifacts if isinstance(one.state, State)}


def _leading_nowhere(before: State, after: State) -> set[str]:
    """The chains that rules which are written lead to, and that are not there."""
    found: set[str] = set()
    for name, table in after.tables.items():
        known = before.tables[name].chains if name in before.tables else {}
        written = (rule for chain, rules in table.chains.items() if known.get(chain) != rules for rule in rules)
        found |= {to for to in map(leads_to, written) if to and to.startswith(f"{after.prefix}-")} - {*table.chains}
    return found


def _come(part: str, *states: State) -> set[ir.Address]:
    """The addresses that lead to services alone, and did not before."""
    parts = [one for one in IPTABLES.parts if one.name == part]
    old, new = (
        {*IPTABLES.exclusive_addresses(Bundle("iptables", None, tuple(Artifact(one, "", state) for one in parts)))}
        for state in states
    )
    return new - old


@_SETTINGS
@given(st.data())
def test_the_difference_of_an_update_gives_the_plan_of_the_whole_states(data: st.DataObject) -> None:
    program, node = data.draw(programs_for(NFT))
    assume(program.services)
    assembly = NFT.assembly(Shared(program.cluster, node, program.nodes))
    assembly.update(_services(program))
    whole: Any = assembly.bundle().artifacts[0].state
    for edit in data.draw(edits(program)):
        difference = assembly.update(edit).get("nft")
        after: Any = assembly.bundle().artifacts[0].state
        if difference is None:
            assert whole == after
        else:
            assert isinstance(difference.before, NftState)
            assert isinstance(difference.after, NftState)
            assert whole_plan(difference.before, difference.after) == whole_plan(whole, after)
        whole = after
