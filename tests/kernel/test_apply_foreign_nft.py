"""Somebody's sets that this machine's nft dies of: a newer release made them, in a container for instance.

That nft 1.0.6 dies is the machine's affair; what svcc keeps there must come, change, go back and go all the same.
"""

from __future__ import annotations

import json
import subprocess

import pytest

from support.apply_faults import NEW, OLD, Case
from support.apply_world import World, quietly
from support.shell import A, B, Shell, time_runs_out
from support.tools import nft as releases
from support.waiting import until
from svcc.apply import engine, planning
from svcc.apply.confirm import Pending
from svcc.kernel import tools as svcc_tools
from svcc.kernel.json_values import Json
from svcc.kernel.nft import tool
from svcc.kernel.steps import StepError, ToolEnd

pytestmark = pytest.mark.kernel

#: Plain things, in a family of ours and in one that is not.
_SETS = {
    "a set of another family": "add table inet guests\nadd set inet guests s { type ipv4_addr; }\n",
    "a map of our family": "add table ip guests\nadd map ip guests m { type ipv4_addr : verdict; }\n",
    "both of IPv6": """
        add table ip6 guests
        add set ip6 guests s { type ipv6_addr; elements = { 2001:db8::66 }; }
        add map ip6 guests m { type inet_service : ipv6_addr; }
    """,
}
_DEADLY = pytest.mark.parametrize("text", _SETS.values(), ids=_SETS)


def _newer(*words: str, text: str = "") -> str:
    return subprocess.run(
        [*releases.nft("trixie"), *words], input=text, text=True, check=True, capture_output=True
    ).stdout


def _meet(world: World, text: str) -> dict[str, str]:
    """Put somebody's sets beside ours; what there is that is not ours, as the newer release has it."""
    with world.inside():
        if text:
            _newer("-f", "-", text=text)
        listed = json.loads(_newer("-j", "list", "ruleset"))["nftables"]
    kept = [item for item in listed for one in item.values() if one.get("table", one.get("name")) == "guests"]
    return {"guests": json.dumps(kept, sort_keys=True)}


def _dies(world: World) -> bool:
    """Whether this machine's nft is one that these sets kill."""
    with world.inside():
        return svcc_tools.run(["nft", "list", "ruleset"]).crashed


@_DEADLY
def test_ours_comes_changes_and_goes_beside_what_kills_nft(text: str) -> None:
    with Case(None, ("nft", NEW), "nft").world() as world:
        others = _meet(world, text)
        assert _dies(world) == (releases.version("installed") == "1.0.6")
        old, new = world.draft(OLD, "nft"), world.draft(NEW, "nft")
        for draft in (old, new, old):
            world.carry_out(draft)
            assert not world.machine(old, new).differing(*world.states(draft, old, new))
        world.carry_out(Case(("nft", OLD), None, "nft").draft(world, None))
        assert _meet(world, "") == others
        assert "custom" not in _newer_tables(world)


@_DEADLY
def test_what_is_not_confirmed_goes_beside_what_kills_nft(text: str) -> None:
    """It came while the apply waited for its confirmation."""
    with Case(("nft", OLD), ("nft", NEW), "nft").world() as world:
        installation = world.store.installation("custom")
        Pending("token", installation.number, 0.0, "another start of the machine").write(installation)
        old, new = world.draft(OLD, "nft"), world.draft(NEW, "nft")
        with world.inside():
            engine.perform(planning.make_plan(installation, new), installation, new, quietly)
        others = _meet(world, text)
        assert world.settle() == ["generation 2 was not confirmed: generation 1 is back"]
        assert not world.machine(old, new).differing(*world.states(old, new))
        assert _meet(world, "") == others


@_DEADLY
def test_what_is_refused_is_told_beside_what_kills_nft(text: str) -> None:
    with Case(("nft", OLD), ("nft", NEW), "nft").world() as world:
        _meet(world, text)
        before = _tables(world)
        with world.inside(), pytest.raises(StepError, match="nft: No such file or directory"):
            tool.run([_element("ip6", "nowhere")])
        assert _tables(world) == before


@_DEADLY
def test_each_command_does_its_work_beside_what_kills_nft(text: str, shell: Shell) -> None:
    shell.svcc("apply", "a.dsl", "-t", "nft")
    others = _meet(shell.world, text)
    shell.svcc("plan", "b.dsl", "-t", "nft", status=1)
    shell.svcc("apply", "b.dsl", "-t", "nft")
    assert shell.endpoints() == B
    shell.svcc("rollback")
    assert shell.endpoints() == A
    with shell.world.inside():
        _newer("delete", "table", "ip", "custom")  # as a restart of the machine does
    assert "nothing of it is in the kernel" in shell.svcc("status", status=1).stdout
    assert "generation 3 is in place again." in shell.svcc("restore").stdout
    assert shell.endpoints() == A
    shell.svcc("status")
    shell.svcc("delete")
    assert "custom" not in _newer_tables(shell.world)
    assert _meet(shell.world, "") == others


@_DEADLY
def test_the_watchdog_goes_back_beside_what_kills_nft(text: str, shell: Shell) -> None:
    shell.svcc("apply", "a.dsl", "-t", "nft")
    shell.svcc("apply", "b.dsl", "-t", "nft", "--confirm", "600")
    others = _meet(shell.world, text)
    time_runs_out(shell)
    until(lambda: not (shell.folder / "state/custom/confirm.json").exists(), "the watchdog is done")
    assert shell.endpoints() == A
    assert _meet(shell.world, "") == others


def _newer_tables(world: World) -> str:
    with world.inside():
        return _newer("list", "tables")


def _tables(world: World) -> str:
    with world.inside():
        return _newer("-s", "list", "ruleset")


def _element(family: str, name: str) -> Json:
    return {"add": {"element": {"family": family, "table": "custom", "name": name, "elem": ["2001:db8::1"]}}}


def test_a_library_that_dies_always_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tool, "_library", lambda: ("/bin/sh", "-c", "kill -SEGV $$"))
    monkeypatch.setattr(tool, "_FEW", 0)
    with Case(None, ("nft", NEW), "nft").world() as world, world.inside():
        with pytest.raises(StepError) as caught:
            tool.run([{"add": {"table": {"family": "ip", "name": "custom"}}}])
        assert caught.value.end is ToolEnd.DIED
        assert str(caught.value) == "nft: libnftables was killed by SIGSEGV"
