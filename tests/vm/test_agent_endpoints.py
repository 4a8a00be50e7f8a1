"""Ten endpoints with a check on ipvs: who is dead gets nothing new in time, flaps change nothing else, all may fail."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.agent_endpoints import a_dead_endpoint, all_fail, ends, flaps
from support.ipvs_kernel import live_sets
from svcc.verify.lab import NODE, Lab

pytestmark = [pytest.mark.vm, pytest.mark.kernel]


def test_a_dead_endpoint_gets_no_new_connection_in_time(tmp_path: Path) -> None:
    with ends("ipvs", tmp_path) as there:
        a_dead_endpoint(there)


def test_all_fail(tmp_path: Path) -> None:
    with ends("ipvs", tmp_path) as there:
        all_fail(there)


def test_flaps_change_nothing_else(tmp_path: Path) -> None:
    with ends("ipvs", tmp_path) as there:
        flaps(there, 8, listing, tmp_path / "state")


def listing(lab: Lab) -> list[str]:
    """Servers, sets and addresses of the node. IPVS lists servers as they came to be."""
    said = lab.run(NODE, ["ipvsadm", "-S", "-n"], check=True).stdout
    said += live_sets(lab.run(NODE, ["ipset", "save"], check=True).stdout)
    return sorted((said + lab.run(NODE, ["ip", "-o", "address"], check=True).stdout).splitlines())
