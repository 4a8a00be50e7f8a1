"""What was seen before is recognised, and whatever else is there is seen as if nothing were known."""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from socket import AF_INET, SOCK_DGRAM, socket
from typing import Any

import pytest

from support.applied import SIDES, applied, bundles_read
from support.apply_world import World
from support.nft_states import use_release
from support.tools.nft import RELEASES
from support.waiting import until
from svcc.apply import code, engine, errors, planning
from svcc.apply.execution_plan import ExecutionPlan
from svcc.apply.fingerprints import record_fingerprints, recorded_parts
from svcc.apply.generation import Draft
from svcc.kernel.namespaces import Namespace
from svcc.kernel.nft import generation, tool
from svcc.kernel.steps import StepError

pytestmark = pytest.mark.kernel

_HEAD = "cluster { prefix CUSTOM; pods 100.64.0.0/24 fd00:64::/64 }\nnode n { address 10.0.0.4 fd00:10::4 }\n"
_ONE = "service one { vip 198.19.10.1 fd00:19::1; port 80/tcp -> 8080 nodeport 30080\n"
PROGRAM = f"""{_HEAD}{_ONE}
  endpoints {{ 100.64.0.1; 100.64.0.2; fd00:64::1 }} }}
service kept {{ vip 198.19.10.2; affinity client-ip 3h; port 80/tcp; endpoints {{ 100.64.0.1; 100.64.0.2 }} }}
"""
OTHER = PROGRAM.replace("100.64.0.2; fd00:64::1", "100.64.0.3; fd00:64::1")

NFT_DRIFT = {
    "an element less": "delete element ip custom endpoint-0 { 198.19.10.1 . tcp . 80 }",
    "an element more": "add element ip custom hairpin { 100.64.0.7 . 100.64.0.7 }",
    "another value": (
        "delete element ip custom endpoint-0 { 198.19.10.1 . tcp . 80 }; "
        "add element ip custom endpoint-0 { 198.19.10.1 . tcp . 80 : 100.64.0.7 }"
    ),
    "a comment": (
        "delete element ip custom hairpin { 100.64.0.1 . 100.64.0.1 }; "
        'add element ip custom hairpin { 100.64.0.1 . 100.64.0.1 comment "mine" }'
    ),
    "a rule more": "insert rule ip custom dispatch return",
    "no rules": "flush chain ip6 custom refuse",
    "a chain more": "add chain ip custom mine",
    "a set more": "add set ip custom mine { type ipv4_addr; timeout 5m; }",
    "a counter": "add counter ip6 custom mine",
    "a table less": "delete table ip6 custom",
}
XTABLES_DRIFT = {
    "a rule more": "-t nat -A CUSTOM-SERVICES -j RETURN",
    "a rule less": "-t nat -D CUSTOM-SERVICES 1",
    "no rules": "-t filter -F CUSTOM-UNSERVED",
    "a chain more": "-t nat -N CUSTOM-SVC-mine",
    "an entry twice": "-t nat -A OUTPUT -m comment --comment mine -j CUSTOM-SERVICES",
    "an entry less": "-t nat -D PREROUTING 1",
}


@pytest.fixture(params=SIDES)
def side(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def world(side: str, tmp_path: Path) -> Iterator[World]:
    """A node on which the program was applied, and seen."""
    with applied(side, PROGRAM, tmp_path) as made:
        see(made, made.draft(PROGRAM, SIDES[side][0]))
        yield made


def see(world: World, draft: Draft) -> None:
    """Plan, and remember how it looks."""
    plan = world.plan(draft)
    assert plan.empty
    with world.inside(), world.store.locked():
        engine.note_findings(plan, world.store.installation("custom"), draft)


def forget(world: World) -> None:
    for path in world.store.installation("custom").path.glob("*.looks"):
        path.unlink()


def found(plan: ExecutionPlan) -> tuple[object, ...]:
    """All that a plan says."""
    steps = [(step.part, step.phase, step.title, step.size) for step in plan.steps]
    return plan.changes, steps, plan.obstacles, plan.gone_routes, plan.new_frontends, plan.transition


def run(world: World, *commands: str) -> None:
    with world.inside():
        for command in commands:
            subprocess.run(shlex.split(command), check=True)


def output(world: World, command: str) -> str:
    with world.inside():
        return subprocess.run(command.split(), check=True, capture_output=True, text=True).stdout


def drift(side: str) -> dict[str, str]:
    if side == "nft":
        return {name: f"nft '{command}'" for name, command in NFT_DRIFT.items()}
    tables = {name: f"iptables {words}" for name, words in XTABLES_DRIFT.items()}
    stray = {"nft": "legacy", "legacy": "nft"}[SIDES[side][1]]
    return {**tables, "a chain in the other variant": f"iptables-{stray} -t nat -N CUSTOM-SVC-mine"}


def test_what_was_seen_is_recognised(world: World, side: str) -> None:
    for program in (PROGRAM, OTHER):
        draft = world.draft(program, SIDES[side][0])
        plan = world.plan(draft)
        assert plan.recognised
        known = found(plan)
        forget(world)
        other = world.plan(draft)
        assert not other.recognised
        assert known == found(other)
        see(world, world.draft(PROGRAM, SIDES[side][0]))


def test_where_nothing_is_to_do_no_bundle_is_read(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Parts without fingerprints are known to be left empty by the generation; if not, they are compared."""
    installation = world.store.installation("custom")
    current = installation.current
    assert current is not None
    read = bundles_read(monkeypatch)
    with world.inside():
        assert planning.nothing_to_do(installation, current, None) is not None
        assert read == []
        record_fingerprints(installation, current, recorded_parts(installation, current).fingerprints)
        assert planning.nothing_to_do(installation, current, None) is None


@pytest.mark.parametrize("side", SIDES, indirect=True)
def test_whatever_was_changed_by_hand_is_seen(world: World, side: str) -> None:
    draft = world.draft(PROGRAM, SIDES[side][0])
    for name, command in drift(side).items():
        run(world, command)
        known = found(world.plan(draft))
        assert known[0], name
        forget(world)
        assert known == found(world.plan(draft)), name
        world.apply(PROGRAM, SIDES[side][0])
        see(world, draft)


@pytest.mark.usefixtures("side")
@pytest.mark.parametrize("side", ["iptables", "legacy"], indirect=True)
def test_a_rule_of_somebody_elses_that_leads_to_ours_is_in_the_way(world: World) -> None:
    gone = world.draft(_HEAD + "service none { vip 198.19.10.9; port 80/tcp; endpoints { } }", "iptables")
    run(world, "iptables -t nat -N MINE", "iptables -t nat -A MINE -j CUSTOM-SVC-one")
    obstacles = world.plan(gone).obstacles
    assert obstacles == ("`iptables -t nat -A MINE -j CUSTOM-SVC-one` leads to a chain that goes away",)
    see(world, world.draft(PROGRAM, "iptables"))
    plan = world.plan(gone)
    assert plan.recognised
    assert plan.obstacles == obstacles


def test_what_is_somebody_elses_or_changes_by_itself_makes_no_difference(world: World, side: str) -> None:
    clients = ["nft add element ip custom affinity-0 '{ 10.1.1.1 . 198.19.10.2 . tcp . 80 timeout 3h expires 9m }'"]
    rules = ["iptables -t nat -N MINE", "iptables -t nat -I PREROUTING -j MINE", "iptables -A INPUT -j ACCEPT"]
    draft = world.draft(PROGRAM, SIDES[side][0])
    if side == "iptables":  # the kernel counted what was applied: nothing was listed of which there is a digest
        run(world, "iptables -N SOMEBODYS")
        see(world, draft)
    run(world, *(clients if side == "nft" else rules))
    if side == "nft":  # by hand it is a change by somebody, which the kernel counts
        see(world, draft)
    assert world.plan(draft).recognised
    with world.inside(), socket(AF_INET, SOCK_DGRAM) as client:
        client.sendto(b"counted", ("127.0.0.1", 9))
    if side == "nft":
        listed = "nft list set ip custom affinity-0"
        before = output(world, listed)
        until(lambda: output(world, listed) != before, "a second of the client's time is over")
    assert world.plan(world.draft(PROGRAM, SIDES[side][0])).recognised


def test_what_is_damaged_or_of_another_svcc_is_not_relied_on(
    world: World, side: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    draft = world.draft(PROGRAM, SIDES[side][0])
    path = world.store.installation("custom").path / "000001.looks"
    assert path.stat().st_mode & 0o777 == 0o600
    text = path.read_text()
    seal, body = text.split("\n", 1)
    for damaged in ("", seal, body, f"{seal}\n{{}}", text[:-9], text.replace("null", "[]").replace("nft", "nfs")):
        path.write_text(damaged)
        plan = world.plan(draft)
        assert plan.empty
        assert not plan.recognised
    path.write_text(text)
    assert world.plan(draft).recognised
    monkeypatch.setattr(code, "stamp", lambda: "another")
    assert not world.plan(draft).recognised


def test_a_note_is_of_one_generation(world: World, side: str) -> None:
    """And of its bundle: another that came to have the number is not taken for it."""
    path = world.store.installation("custom").path
    world.apply(OTHER, SIDES[side][0])
    (path / "000001.looks").rename(path / "000002.looks")
    plan = world.plan(world.draft(OTHER, SIDES[side][0]))
    assert plan.empty
    assert not plan.recognised


@pytest.mark.usefixtures("side")
@pytest.mark.parametrize("side", ["nft"], indirect=True)
def test_other_releases_of_nft_are_recognised_too(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    draft = world.draft(PROGRAM, "nft")
    for release in RELEASES:
        with monkeypatch.context() as patch:
            (tmp_path / release).mkdir()
            use_release(release, tmp_path / release, patch)
            forget(world)
            see(world, draft)
            assert world.plan(draft).recognised, release
            run(world, "nft add element ip custom affinity-0 '{ 10.1.1.2 . 198.19.10.2 . tcp . 80 timeout 3h }'")
            assert world.plan(draft).empty, release
            run(world, "nft delete element ip custom hairpin '{ 100.64.0.1 . 100.64.0.1 }'")
            assert not world.plan(draft).empty, release
        world.apply(PROGRAM, "nft")


# ---- the kernel's generation


@pytest.fixture(name="listings")
def _listings(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    """What nft was asked to list."""
    asked: list[tuple[str, ...]] = []

    class Counted(tool.Listing):
        def __init__(self, *what: str) -> None:
            asked.append(what)
            super().__init__(*what)

    monkeypatch.setattr(tool, "Listing", Counted)
    return asked


NFT = pytest.mark.parametrize("side", ["nft"], indirect=True)


@NFT
@pytest.mark.usefixtures("side")
def test_while_the_generation_stays_nothing_is_listed(world: World, listings: list[tuple[str, ...]]) -> None:
    same, other = world.draft(PROGRAM, "nft"), world.draft(OTHER, "nft")
    assert world.plan(same).empty
    plan = world.plan(other)
    assert listings == []
    forget(world)
    assert found(world.plan(other)) == found(plan)
    assert listings != []


@NFT
@pytest.mark.usefixtures("side")
def test_after_an_apply_nothing_is_listed(world: World, listings: list[tuple[str, ...]]) -> None:
    for program in (OTHER, PROGRAM):
        draft = world.draft(program, "nft")
        world.carry_out(draft)
        listings.clear()
        assert world.plan(draft).empty
        assert listings == []


@NFT
@pytest.mark.usefixtures("side")
def test_any_change_by_anybody_is_read_and_noted_once(world: World, listings: list[tuple[str, ...]]) -> None:
    draft = world.draft(PROGRAM, "nft")
    for command in ("nft add table ip somebody", "iptables-nft -A INPUT -j ACCEPT"):
        run(world, command)
        plan = world.plan(draft)
        assert (plan.empty, plan.recognised) == (True, False)
        assert len(listings) == 2
        see(world, draft)
        listings.clear()
        plan = world.plan(draft)
        assert (plan.empty, plan.recognised, listings) == (True, True, [])


@NFT
@pytest.mark.usefixtures("side")
def test_what_somebody_does_during_an_apply_is_seen(
    world: World, listings: list[tuple[str, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the steps and their being read back: in our table it ends the apply, elsewhere it does not matter."""
    real, left = tool.run, ["add chain ip custom mine"]

    def disturbed(commands: Sequence[Any]) -> None:
        real(commands)
        if left:
            subprocess.run(["nft", left.pop()], check=True)

    monkeypatch.setattr(tool, "run", disturbed)
    with pytest.raises(errors.Restored, match="chain ip mine"):
        world.carry_out(world.draft(OTHER, "nft"))
    assert world.plan(world.draft(PROGRAM, "nft")).empty
    left.append("add table ip somebody")
    listings.clear()
    world.carry_out(world.draft(OTHER, "nft"))
    assert listings != []
    assert world.plan(world.draft(OTHER, "nft")).empty


@NFT
@pytest.mark.usefixtures("side")
@pytest.mark.parametrize("place", ["svcc.kernel.nft.generation.boot_id", "svcc.kernel.nft.netlink.generation"])
def test_another_start_or_a_kernel_that_cannot_say_is_listed(
    world: World, listings: list[tuple[str, ...]], place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unable(*_: object) -> str:
        raise StepError("nft", "no such thing")

    monkeypatch.setattr(place, unable if place.endswith("generation") else lambda: "another")
    plan = world.plan(world.draft(PROGRAM, "nft"))
    assert plan.empty
    assert not plan.recognised
    assert len(listings) == 2


@NFT
@pytest.mark.usefixtures("side")
def test_another_namespace_has_another_mark(world: World) -> None:
    with world.inside():
        here, again = generation.mark(), generation.mark()
    other = Namespace("other")
    with other.entered():
        there = generation.mark()
    other.close()
    assert here == again
    assert here.split()[0] == there.split()[0]
    assert here.split()[1] != there.split()[1]
