"""One program takes another's place, under the same names: the kernel then does what it would do on a new machine.

Some of the kernel's objects keep what the first rule or line of their name said: a list of xt_recent its mask, a set of
nft its declaration. Such an object's name has to say it, or the object has to be made anew.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from support.replaced import Replaced, programs

pytestmark = pytest.mark.kernel

PROGRAMS = programs()


def told(path: Path, kind: str, *names: str) -> dict[str, Any]:
    """Apply programs one after the other; return what the kernel tells then, and after packets."""
    target, _, variant = kind.partition("-")
    machine = Replaced(path / "-".join(names), variant or "nft")
    try:
        for name in names:
            machine.world.apply(PROGRAMS[name], target)
        return machine.told()
    finally:
        machine.close()


@pytest.mark.parametrize("kind", ["nft", "iptables-nft", "iptables-legacy"])
@pytest.mark.parametrize("name", PROGRAMS)
def test_what_was_there_before_leaves_no_trace(name: str, kind: str, tmp_path: Path) -> None:
    new = told(tmp_path, kind, name)
    for before in PROGRAMS:
        assert told(tmp_path, kind, before, name) == new, before
