"""Every apply of ipvs, and each migration from and to it, killed or failed at every point, where there is IPVS."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from support.apply_faults import MISHAPS, Case, break_every_call, fail_at_every_point, kill_at_every_point
from support.apply_faults import NEW_OF_IPVS as NEW
from support.apply_faults import OLD_OF_IPVS as OLD

pytestmark = [pytest.mark.vm, pytest.mark.kernel, pytest.mark.slow]

Tell = Callable[[str, object], None]
#: A service that remembers clients by port, and by a mark for all of it.
APART = f"""{NEW}
service cart {{ vip 198.19.50.0 fd00:19::50; external-ip 203.0.113.50; port a 80/tcp; port b 443/udp
               affinity client-ip 90s; endpoints {{ 100.64.0.9; 100.64.0.19; fd00:64::9 }} }}
"""
TOGETHER = APART.replace("client-ip 90s", "client-ip 90s per service")
TRANSITIONS = {
    "first": (None, ("ipvs", NEW)),
    "changed": (("ipvs", OLD), ("ipvs", NEW)),
    "deleted": (("ipvs", OLD), None),
    "to one memory": (("ipvs", APART), ("ipvs", TOGETHER)),
    "from one memory": (("ipvs", TOGETHER), ("ipvs", APART)),
    "iptables to ipvs": (("iptables", OLD), ("ipvs", NEW)),
    "ipvs to iptables": (("ipvs", OLD), ("iptables", NEW)),
}
#: All programs that change anything; IPVS itself and addresses are changed by netlink as well.
TOOLS = ("ipset", "ipvsadm", "iptables-restore", "iptables-legacy-restore", "ip6tables-legacy-restore")


#: The guest is slow: one point in so many is tried, and one call of a tool, unless all are asked for.
EVERY, EVERY_CALL = (1, 1) if os.environ.get("SVCC_TEST_EVERY_POINT") else (9, 25)


def case_of(name: str) -> Case:
    return Case(*TRANSITIONS[name], "legacy", ipvs=True, nft=False)


@pytest.mark.parametrize("name", TRANSITIONS)
def test_killed_at_every_point(name: str, record_property: Tell) -> None:
    record_property("points", kill_at_every_point(case_of(name), EVERY))


@pytest.mark.parametrize("name", ["changed", "iptables to ipvs", "ipvs to iptables"])
def test_failed_at_every_point(name: str, record_property: Tell) -> None:
    record_property("points", fail_at_every_point(case_of(name), EVERY))


@pytest.mark.parametrize("mishap", list(MISHAPS) if EVERY == 1 else ["fails", "is killed afterwards"])
@pytest.mark.parametrize("name", ["changed", "ipvs to iptables"] if EVERY == 1 else ["changed"])
def test_a_tool_fails_at_every_call(name: str, mishap: str, tmp_path: Path, record_property: Tell) -> None:
    calls = break_every_call(case_of(name), mishap, TOOLS, tmp_path, EVERY_CALL)
    record_property("points", calls)
    assert calls > 0
