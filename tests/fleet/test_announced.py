"""Announced addresses in a fleet on nft: one of three machines answers for each, and all of them serve it.

More cases are tested with other targets, on a kernel of their own (`tests/vm/`).
"""

from __future__ import annotations

from pathlib import Path

import pytest

from support.fleet_announced import holder_dies, holders, machine_of, three
from support.fleet_client import FOUR

pytestmark = pytest.mark.kernel


def test_another_machine_answers_when_the_one_that_did_dies_or_ends(tmp_path: Path) -> None:
    with three(tmp_path, "nft") as (made, client):
        held = holder_dies(made, client, holders(made, client))
        second = held.by[FOUR]
        assert machine_of(made, second).end() == 0
        holders(made, client, second)
