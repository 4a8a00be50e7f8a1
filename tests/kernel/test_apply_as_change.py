"""Where little of a large program changes, an apply records that alone, and what is recorded is what was applied."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.applied import SIDES, applied
from support.apply_faults import Case, kill_at_every_point
from support.apply_world import World
from svcc.apply import by_service, engine, errors
from svcc.apply.engine import Event
from svcc.apply.generation import Draft, Generation
from svcc.apply.installation import KEPT, Installation
from svcc.apply.store import Store
from svcc.apply.summary import Summary
from svcc.targets.bundle import bundle_text

pytestmark = pytest.mark.kernel

_SERVICES = 60


def program(**endpoints: str) -> str:
    """A program of many services. ``endpoints``: those of some, by the services' names; "": no such service."""
    named = {f"s{number}": f"100.64.0.{number + 1}; 100.64.1.{number + 1}" for number in range(_SERVICES)} | endpoints
    services = "".join(
        f"service {name} {{ vip 198.19.10.{number + 1}; port 53/udp; endpoints {{ {some} }} }}\n"
        for number, (name, some) in enumerate(named.items())
        if some
    )
    return f"cluster {{ prefix CUSTOM; pods 100.64.0.0/16 }}\n{services}"


#: Each with a service or two that are other than before.
EDITS = {
    "an endpoint": program(s7="100.64.0.8; 100.64.2.8"),
    "another service's": program(s7="100.64.0.8; 100.64.2.8", s9="100.64.2.10 weight 3"),
    "one drains": program(s7="100.64.0.8; 100.64.2.8 draining", s9="100.64.2.10 weight 3"),
    "one goes": program(s7="100.64.0.8; 100.64.2.8 draining", s9=""),
    "one comes": program(s7="100.64.0.8; 100.64.2.8 draining", s9="", more="100.64.3.1"),
    "as it was": program(),
}


@pytest.fixture(autouse=True)
def large(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if this program were a large one."""
    monkeypatch.setattr(by_service, "_LARGE", 0)


@pytest.fixture(params=SIDES)
def side(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def world(side: str, tmp_path: Path) -> Iterator[World]:
    """A node on which the program was applied."""
    with applied(side, program(), tmp_path) as made:
        yield made


def installation(world: World) -> Installation:
    """As a process has it that comes later."""
    return Store(world.store.root).installation("custom")


def current(world: World) -> Generation:
    found = installation(world).current
    assert found is not None
    return found


def frontends(summary: Summary) -> list[str]:
    """They are in no order that matters."""
    return sorted(map(repr, summary.frontends))


def assert_recorded(world: World, draft: Draft) -> None:
    """The generation in place is read as the draft that it was made of."""
    there, kept = current(world), installation(world)
    kept.check(there.number)
    found, bundle = kept.program(there), kept.bundle(there)
    assert found is not None
    assert bundle is not None
    assert draft.program is not None
    assert found.text == draft.program.text
    assert bundle_text(bundle) == draft.text
    assert frontends(kept.summary(there)) == frontends(draft.summary)


def test_what_is_recorded_is_what_was_applied(world: World, side: str) -> None:
    target, _ = SIDES[side]
    for text in EDITS.values():
        world.apply(text, target)
        assert current(world).base == 1
        draft = world.draft(text, target)
        assert_recorded(world, draft)
        assert world.plan(draft).empty
        for path in installation(world).path.glob("*.looks"):
            path.unlink()
        assert world.plan(draft).empty  # the kernel is read, and compared with what is recorded
        with world.inside(), world.store.locked():
            engine.note_findings(world.plan(draft), installation(world), draft)
    assert installation(world).file(7, "change").read_text() == "{}\n"


def test_what_fails_leads_back_to_a_generation_that_is_kept_as_a_change(world: World, side: str) -> None:
    target, _ = SIDES[side]
    world.apply(EDITS["an endpoint"], target)

    def fail(event: Event) -> None:
        if event.what == "finishing":
            raise RuntimeError("that is enough")

    with pytest.raises(errors.Restored):
        world.apply(EDITS["one comes"], target, fail)
    assert current(world).number == 2
    for path in installation(world).path.glob("*.looks"):
        path.unlink()
    assert world.plan(world.draft(EDITS["an endpoint"], target)).empty


@pytest.mark.slow
@pytest.mark.parametrize(("target", "variant"), [("nft", "nft"), ("iptables", "nft"), ("iptables", "legacy")])
def test_killed_at_every_point_it_is_recorded_as_it_is(target: str, variant: str) -> None:
    assert kill_at_every_point(Case((target, program()), (target, EDITS["one drains"]), variant)) > 3


def test_much_is_recorded_whole(world: World, side: str) -> None:
    target, _ = SIDES[side]
    world.apply(program(**{f"s{number}": "100.64.3.1" for number in range(_SERVICES // 3)}), target)
    assert current(world).base is None


def test_now_and_then_all_is_recorded_whole(tmp_path: Path) -> None:
    """So the generation that others are changes to goes as well, some time."""
    with applied("nft", program(), tmp_path) as world:
        for number in range(2, KEPT + 4):
            world.apply(program(s7=f"100.64.2.{number}"), "nft")
        kept = installation(world)
        assert {one.number for one in kept.generations() if one.base is None} == {1, KEPT + 2}


@pytest.mark.parametrize("what", ["services", "program"])
def test_a_damaged_record_is_not_built_upon(world: World, side: str, what: str) -> None:
    target, _ = SIDES[side]
    path = installation(world).file(1, what)
    path.write_text(path.read_text().replace("100.64.0.1", "100.64.9.1"))
    draft = world.draft(EDITS["an endpoint"], target)
    world.carry_out(draft)
    assert current(world).base is None
    assert_recorded(world, draft)


def test_a_bundle_that_is_made_anew_is_built_upon(world: World, side: str) -> None:
    target, _ = SIDES[side]
    path = installation(world).file(1, "bundle")
    before = path.read_text()
    path.write_text(before.replace("100.64.0.1", "100.64.9.1"))
    draft = world.draft(EDITS["an endpoint"], target)
    world.carry_out(draft)
    assert path.read_text() == before
    assert current(world).base == 1
    assert_recorded(world, draft)
