"""Moving between ipvs and what nf_tables carries, on a kernel that has both: under load, killed and failed."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from support.apply_faults import NEW_OF_IPVS, OLD_OF_IPVS, Case, fail_at_every_point, kill_at_every_point
from support.apply_load import all_answered, seen_while_moving

pytestmark = [pytest.mark.vm(nf_tables=True), pytest.mark.kernel, pytest.mark.slow]

Tell = Callable[[str, object], None]
#: The guest is emulated: one point in so many is tried, and only what nothing else tries, unless all are asked for.
EVERY = 1 if os.environ.get("SVCC_TEST_EVERY_POINT") else 24
#: From target to target; iptables is of the variant that nf_tables carries.
MOVES = [("nft", "ipvs"), ("ipvs", "nft"), *([("iptables", "ipvs"), ("ipvs", "iptables")] if EVERY == 1 else [])]
MISHAPS = {"killed": kill_at_every_point, **({"failed": fail_at_every_point} if EVERY == 1 else {})}


def case_of(old: str, new: str) -> Case:
    return Case((old, OLD_OF_IPVS), (new, NEW_OF_IPVS), "nft", ipvs=True)


@pytest.mark.parametrize(("old", "new"), MOVES)
def test_no_connection_fails_while_another_target_takes_over(
    old: str, new: str, tmp_path: Path, record_property: Tell
) -> None:
    """Nor are those that are open broken, but for those that IPVS carries and that outlast their time to end."""
    held = old != "ipvs"
    seen = seen_while_moving(old, new, tmp_path / "state", held=held)
    record_property("connections", sum(counted["answered"] for counted in seen))
    assert all_answered(seen, held=held), seen


@pytest.mark.parametrize("mishap", MISHAPS)
@pytest.mark.parametrize(("old", "new"), MOVES)
def test_interrupted_at_every_point(old: str, new: str, mishap: str, record_property: Tell) -> None:
    record_property("points", MISHAPS[mishap](case_of(old, new), EVERY))
