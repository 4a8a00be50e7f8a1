"""One program takes another's place on a kernel with IPVS: servers and sets are what they are on a new machine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from support.replaced import Replaced, programs

pytestmark = [pytest.mark.vm, pytest.mark.kernel]
_NAMES = ("no memory", "each client", "networks", "one memory", "some clients")
PROGRAMS = {name: text for name, text in programs(node_port=False).items() if name in _NAMES}


def told(path: Path, *names: str) -> dict[str, Any]:
    """Apply programs one after the other; return what the kernel tells then."""
    machine = Replaced(path / "-".join(names), "legacy", ipvs=True)
    try:
        for name in names:
            machine.world.apply(PROGRAMS[name], "ipvs")
        return machine.told()
    finally:
        machine.close()


@pytest.mark.parametrize("name", PROGRAMS)
def test_what_was_there_before_leaves_no_trace(name: str, tmp_path: Path) -> None:
    new = told(tmp_path, name)
    for before in PROGRAMS:
        assert told(tmp_path, before, name) == new, before
