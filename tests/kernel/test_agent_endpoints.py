"""Ten endpoints with a check: who is dead gets nothing new in time, flaps change nothing else, and all may fail."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from support.agent_endpoints import a_dead_endpoint, all_fail, ends, flaps
from svcc.verify.lab import NODE, Lab

pytestmark = pytest.mark.kernel

#: How often an endpoint dies.
_FLAPS = int(os.environ.get("SVCC_TEST_FLAPS", "20"))
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


def listing(lab: Lab) -> list[str]:
    """All rules of the node, without what counts packets or names the time. nft lists maps as they came to be."""
    own = lab.run(NODE, ["nft", "--stateless", "list", "ruleset"], check=True).stdout
    others = "".join(lab.run(NODE, words, check=True).stdout for words in (["iptables-save"], ["ip", "-o", "address"]))
    return [*sorted(own.splitlines()), *re.sub(r"(?m)^#.*\n|\[\d+:\d+\]", "", others).splitlines()]
