"""Every apply of nft and iptables, and each migration, killed or failed at every point: all of it or none of it.

Other people's rules, sets and tables stand beside ours all the while, and have to come out as they went in.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from support.apply_faults import MISHAPS, NEW, OLD, Case, break_every_call, fail_at_every_point, kill_at_every_point
from svcc.apply.errors import Refused

pytestmark = [pytest.mark.kernel, pytest.mark.slow]

Tell = Callable[[str, object], None]

#: From target and program, to target and program, by which variant of iptables.
TRANSITIONS = {
    "nft, first": (None, ("nft", NEW), "nft"),
    "nft, changed": (("nft", OLD), ("nft", NEW), "nft"),
    "nft, deleted": (("nft", OLD), None, "nft"),
    "iptables, first": (None, ("iptables", NEW), "nft"),
    "iptables, changed": (("iptables", OLD), ("iptables", NEW), "nft"),
    "iptables, deleted": (("iptables", OLD), None, "nft"),
    "legacy, first": (None, ("iptables", NEW), "legacy"),
    "legacy, changed": (("iptables", OLD), ("iptables", NEW), "legacy"),
    "legacy, deleted": (("iptables", OLD), None, "legacy"),
    "iptables to nft": (("iptables", OLD), ("nft", NEW), "nft"),
    "nft to iptables": (("nft", OLD), ("iptables", NEW), "nft"),
    "legacy to nft": (("iptables", OLD), ("nft", NEW), "legacy"),
    "nft to legacy": (("nft", OLD), ("iptables", NEW), "legacy"),
}
#: All programs that restore rules.
RESTORE = tuple(f"{tool}{variant}-restore" for tool in ("iptables", "ip6tables") for variant in ("", "-nft", "-legacy"))


@pytest.mark.parametrize("name", TRANSITIONS)
def test_killed_at_every_point(name: str, record_property: Tell) -> None:
    record_property("points", kill_at_every_point(Case(*TRANSITIONS[name])))


@pytest.mark.parametrize("name", [name for name in TRANSITIONS if "first" not in name])
def test_failed_at_every_point(name: str, record_property: Tell) -> None:
    record_property("points", fail_at_every_point(Case(*TRANSITIONS[name])))


@pytest.mark.parametrize("mishap", MISHAPS)
@pytest.mark.parametrize("name", [name for name in TRANSITIONS if name.endswith("tables, changed") or " to " in name])
def test_a_tool_fails_at_every_call(name: str, mishap: str, tmp_path: Path, record_property: Tell) -> None:
    calls = break_every_call(Case(*TRANSITIONS[name]), mishap, RESTORE, tmp_path)
    record_property("points", calls)
    assert calls > 0


def test_without_its_tool_nothing_is_begun() -> None:
    with Case(*TRANSITIONS["iptables, first"]).world() as world, pytest.MonkeyPatch.context() as patch:
        others = world.others()
        with TemporaryDirectory() as empty:
            patch.setattr("svcc.kernel.tools._SBIN", ())
            patch.setenv("PATH", empty)
            with pytest.raises(Refused) as caught:
                world.apply(NEW, "iptables")
        patch.undo()
        packages = {"iptables-restore": "iptables", "ip6tables-restore": "iptables", "ip": "iproute2"}
        missing = tuple(f"{tool}: missing (apt-get install {package})" for tool, package in packages.items())
        assert caught.value.reasons == missing
        assert world.others() == others
        assert world.store.installation("custom").current is None
