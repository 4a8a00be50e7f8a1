"""What a service adds depends on it alone, and what is kept up to date is what would be compiled anew."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from support.edits import edited, edits
from support.nft_states import whole_plan
from support.strategies import programs_for
from svcc.compiler import ir
from svcc.kernel.nft.state import NftState
from svcc.targets import targets
from svcc.targets.interface import Shared, TargetByService
from svcc.targets.nft import TARGET as NFT

_BY_SERVICE = {name: target for name, target in targets().items() if isinstance(target, TargetByService)}
_TARGETS = pytest.mark.parametrize("name", _BY_SERVICE)
_SETTINGS = settings(suppress_health_check=[HealthCheck.too_slow])


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
