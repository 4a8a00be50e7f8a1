"""Where only services changed, a plan is made of these alone, and says what a plan of whole states says."""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.applied import SIDES, applied, bundles_read
from support.apply_world import World
from svcc.apply import errors
from svcc.apply.engine import Event
from svcc.apply.execution_plan import ExecutionPlan

pytestmark = pytest.mark.kernel

_HEAD = "cluster { prefix CUSTOM; pods 100.64.0.0/24 fd00:64::/64 }\nnode n { address 10.0.0.4 fd00:10::4 }\n"
_WEB = "service web {{ vip 198.19.10.1 fd00:19::1; port 80/tcp -> 8080 nodeport 30080; endpoints {{ {} }} }}\n"
_ENDS = "100.64.0.1; 100.64.0.2; fd00:64::1"
_KEPT = "service kept { vip 198.19.10.2; affinity client-ip 3h; port 53/udp; endpoints { 100.64.0.1; 100.64.0.2 } }\n"
PROGRAM = _HEAD + _WEB.format(_ENDS) + _KEPT
#: What becomes of it, and whether services alone are other then.
EDITS = {
    "the same": (PROGRAM, True),
    "another endpoint": (_HEAD + _WEB.format("100.64.0.1; 100.64.0.3; fd00:64::1") + _KEPT, True),
    "a family less": (_HEAD + _WEB.format("100.64.0.1") + _KEPT, True),
    "a draining endpoint": (PROGRAM.replace("100.64.0.1; 100.64.0.2 }", "100.64.0.1; 100.64.0.2 draining }"), True),
    "a service less": (_HEAD + _WEB.format(_ENDS), True),
    "a service more": (PROGRAM + _KEPT.replace("kept", "more").replace("198.19.10.2", "198.19.10.3"), True),
    "another cluster": (PROGRAM.replace("fd00:64::/64 }", "fd00:64::/64; mark 0x8000 }"), False),
}
OTHER = EDITS["another endpoint"][0]

#: What somebody does to it.
_BY_HAND = {
    "nft": "nft add element ip custom hairpin { 100.64.0.7 . 100.64.0.7 }",
    "iptables": "iptables -t nat -A CUSTOM-SERVICES -j RETURN",
    "legacy": "iptables -t nat -A CUSTOM-SERVICES -j RETURN",
}


@pytest.fixture(params=SIDES)
def side(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def world(side: str, tmp_path: Path) -> Iterator[World]:
    """A node on which the program was applied."""
    with applied(side, PROGRAM, tmp_path) as made:
        yield made


@pytest.fixture
def bundles(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The numbers of the generations whose bundles are read, or compiled again."""
    return bundles_read(monkeypatch)


def forget(world: World, what: str) -> None:
    for path in world.store.installation("custom").path.glob(f"*.{what}"):
        path.unlink()


def found(plan: ExecutionPlan) -> tuple[object, ...]:
    """All that a plan says."""
    steps = [(step.part, step.phase, step.title, step.size) for step in plan.steps]
    return plan.changes, steps, plan.obstacles, plan.gone_routes, plan.new_frontends, plan.lasting, plan.transition


def by_hand(world: World, side: str) -> None:
    with world.inside():
        subprocess.run(shlex.split(_BY_HAND[side]), check=True)


def test_a_plan_of_services_says_what_a_plan_of_whole_states_says(world: World, side: str, bundles: list[int]) -> None:
    drafts = {name: world.draft(text, SIDES[side][0]) for name, (text, _) in EDITS.items()}
    plans, read = {}, {}
    for name, draft in drafts.items():
        bundles.clear()
        plans[name], read[name] = found(world.plan(draft)), [*bundles]
    assert read == {name: [] if services_alone else [1] for name, (_, services_alone) in EDITS.items()}
    forget(world, "compiled")
    assert plans == {name: found(world.plan(draft)) for name, draft in drafts.items()}


def test_what_it_makes_of_the_kernel_is_what_is_wanted(world: World, side: str) -> None:
    for text in (OTHER, EDITS["a family less"][0], EDITS["a service less"][0], PROGRAM):
        world.apply(text, SIDES[side][0])
        forget(world, "looks")
        assert world.plan(world.draft(text, SIDES[side][0])).empty


def test_what_was_changed_by_hand_is_found_and_put_right(world: World, side: str, bundles: list[int]) -> None:
    draft = world.draft(OTHER, SIDES[side][0])
    without = found(world.plan(draft))
    by_hand(world, side)
    bundles.clear()
    plan = world.plan(draft)
    assert len(plan.changes) == len(without[0]) + 1  # type: ignore[arg-type]
    assert bundles
    world.carry_out(draft)
    forget(world, "looks")
    assert world.plan(draft).empty


def test_a_record_that_is_damaged_is_not_relied_on(world: World, side: str) -> None:
    path = world.store.installation("custom").file(1, "program")
    path.write_text(path.read_text().replace("100.64.0.2", "100.64.0.3"))
    draft = world.draft(OTHER, SIDES[side][0])
    changes = world.plan(draft).changes
    forget(world, "compiled")
    assert changes
    assert changes == world.plan(draft).changes


def test_going_back_from_it_leads_to_what_was_there(world: World, side: str) -> None:
    def fail(event: Event) -> None:
        if event.what == "finishing":
            raise RuntimeError("that is enough")

    with pytest.raises(errors.Restored):
        world.carry_out(world.draft(OTHER, SIDES[side][0]), fail)
    forget(world, "looks")
    assert world.plan(world.draft(PROGRAM, SIDES[side][0])).empty
