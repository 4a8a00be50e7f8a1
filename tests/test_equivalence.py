"""All targets mean the same: each one's artifacts, followed packet by packet, do what the reference says."""

from __future__ import annotations

import pytest
from equivalence import differences, kernel, story
from hypothesis import HealthCheck, given, settings
from packets import packets
from strategies import programs_for

from svcc.compiler import ir
from svcc.targets import targets
from svcc.targets.interface import Target

TARGETS = [target for target in targets().values() if target.loads]
_each_target = pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
_BIG = settings(
    report_multiple_bugs=False,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example],
)


@_each_target
def test_every_packet_fares_as_the_reference_says(target: Target) -> None:
    @_BIG
    @given(programs_for(target))
    def check(case: tuple[ir.Program, ir.Node | None]) -> None:
        program, node = case
        found = differences(kernel(target, program, node), program, node, packets(program, node))
        difference = next(found, None)
        if difference is not None:
            pytest.fail(story(program, node, *difference), pytrace=False)

    check()
