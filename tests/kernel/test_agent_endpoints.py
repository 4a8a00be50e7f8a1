"""Ten endpoints with a check: who is dead gets nothing new in time, flaps change nothing else, and all may fail."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from support.agent_endpoints import ENDS, OPEN, SECONDS, a_dead_endpoint, all_fail, ends, flaps
from svcc.apply.store import Store
from svcc.apply.upkeep import Upkeep
from svcc.verify.lab import NODE, Lab

pytestmark = pytest.mark.kernel

#: How often an endpoint dies.
_FLAPS = int(os.environ.get("SVCC_TEST_FLAPS", "20"))
#: Seconds in which an agent looks whether what is in place is to be written whole, and more than a death takes.
_LOOK = 20
_TARGETS = pytest.mark.parametrize("target", ["nft", "iptables"])


@_TARGETS
def test_a_dead_endpoint_gets_no_new_connection_in_time(target: str, tmp_path: Path) -> None:
    with ends(target, tmp_path) as there:
        a_dead_endpoint(there)


@_TARGETS
def test_all_fail(target: str, tmp_path: Path) -> None:
    with ends(target, tmp_path) as there:
        all_fail(there)


@_TARGETS
def test_flaps_change_nothing_else(target: str, tmp_path: Path) -> None:
    with ends(target, tmp_path) as there:
        flaps(there, _FLAPS, listing, tmp_path / "state")


def test_what_is_in_place_is_written_whole_while_it_serves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Upkeep, "due", property(lambda self: self.generation.base is not None))
    with ends("nft", tmp_path) as there:
        there.die(ENDS[0])
        there.agent.advance(_LOOK)
        current = Store(tmp_path / "state").installation("t").current
        assert current is not None
        assert (current.base, current.of) == (None, 1)
        assert [what for _, _, what, _ in there.agent.events].count("the state was compacted") == 1
        assert there.served_by(OPEN) == {*ENDS[1:]}
        there.live(ENDS[0])
        there.agent.advance(SECONDS)
        assert there.served_by(OPEN) == {*ENDS}


def listing(lab: Lab) -> list[str]:
    """All rules of the node, without what counts packets or names the time. nft lists maps as they came to be."""
    own = lab.run(NODE, ["nft", "--stateless", "list", "ruleset"], check=True).stdout
    others = "".join(lab.run(NODE, words, check=True).stdout for words in (["iptables-save"], ["ip", "-o", "address"]))
    return [*sorted(own.splitlines()), *re.sub(r"(?m)^#.*\n|\[\d+:\d+\]", "", others).splitlines()]
