"""All of an apply or nothing, whatever happens in between: the engine with a kernel that is a file."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.fake_kernel import FakeDriver, FakeReading, Words, bundle_of
from support.forgetful_disk import Disk, PowerLoss
from svcc.apply import confirm, engine, machine, planning, recovery
from svcc.apply.driver import Transition
from svcc.apply.engine import Event
from svcc.apply.errors import Broken, NotTaken, Refused, Restored
from svcc.apply.execution_plan import ExecutionPlan
from svcc.apply.generation import Draft
from svcc.apply.installation import Installation
from svcc.apply.scope import Scope
from svcc.apply.state_files import StoreError
from svcc.apply.states import States
from svcc.apply.store import Store
from svcc.apply.summary import Summary
from svcc.kernel.steps import Phase, Step, StepError

#: Many small files, each synced to disk: where there is no disk that takes less time.
_MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None

SCOPE = Scope("FAKE")
WORDS = st.frozensets(st.sampled_from(["a", "b", "c", "d", "A", "B", "C"]))


class Stop(BaseException):
    """The end of a process, without its last words."""


class World:
    """A kernel, a state directory, and a driver between them."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.driver = FakeDriver(root / "kernel")
        self.store = Store(root / "state")
        self.installation: Installation = self.store.installation("fake")
        monkeypatch.setattr(machine, "DRIVERS", (self.driver,))

    def apply(self, words: Words, tell: engine.Tell = lambda _: None) -> None:
        draft = Draft(bundle_of(words), SCOPE, Summary(), "fake.dsl")
        plan = planning.make_plan(self.installation, draft)
        engine.check(plan, tell)
        engine.perform(plan, self.installation, draft, tell)

    def recorded(self) -> Words:
        """What the current generation says is in the kernel."""
        bundle = self.installation.bundle(self.installation.current)
        return frozenset(bundle.artifacts[0].text.split()) if bundle else frozenset()

    def at_rest(self) -> bool:
        """Whether nothing is under way, and no generation is left over."""
        numbers = [one.number for one in self.installation.generations()]
        return not self.installation.journal.exists() and max(numbers, default=0) == (self.installation.number or 0)


class AtEvent:
    """Raises at an event's number; counts them."""

    def __init__(self, number: int, error: BaseException) -> None:
        self.number, self.error, self.count = number, error, 0

    def __call__(self, event: Event) -> None:
        self.count += 1
        if self.count == self.number:
            raise self.error


def events(root: Path, old: Words, new: Words) -> int:
    with pytest.MonkeyPatch.context() as patch:
        world, counter = World(root, patch), AtEvent(0, Stop())
        world.apply(old)
        world.apply(new, counter)
        return counter.count


@settings(max_examples=25)
@given(WORDS, WORDS)
def test_after_an_apply_the_kernel_holds_what_is_recorded(old: Words, new: Words) -> None:
    with TemporaryDirectory(dir=_MEMORY) as root, pytest.MonkeyPatch.context() as patch:
        world = World(Path(root), patch)
        for words in (old, new):
            world.apply(words)
            assert world.driver.holds() == words == world.recorded()
            assert world.at_rest()


@settings(max_examples=25)
@given(WORDS, WORDS)
def test_an_error_at_any_event_puts_everything_back(old: Words, new: Words) -> None:
    with TemporaryDirectory(dir=_MEMORY) as first:
        total = events(Path(first), old, new)
    for number in range(1, total + 1):
        with TemporaryDirectory(dir=_MEMORY) as root, pytest.MonkeyPatch.context() as patch:
            world = World(Path(root), patch)
            world.apply(old)
            with pytest.raises((Restored, OSError)):
                world.apply(new, AtEvent(number, OSError(28, "No space left on device")))
            assert world.driver.holds() == old == world.recorded()
            assert world.at_rest()


@settings(max_examples=25)
@given(WORDS, WORDS)
def test_after_a_kill_at_any_event_the_next_command_finishes_or_undoes(old: Words, new: Words) -> None:
    with TemporaryDirectory(dir=_MEMORY) as first:
        total = events(Path(first), old, new)
    for number in range(1, total + 1):
        with TemporaryDirectory(dir=_MEMORY) as root, pytest.MonkeyPatch.context() as patch:
            world = World(Path(root), patch)
            world.apply(old)
            with pytest.MonkeyPatch.context() as dying:
                dying.setattr(engine, "_undo", _die)
                dying.setattr(Installation, "forget", _die)
                with pytest.raises(Stop):
                    world.apply(new, AtEvent(number, Stop()))
            confirm.settle(world.installation)
            assert world.driver.holds() == world.recorded()
            assert world.recorded() in (old, new)
            assert world.at_rest()


def _die(*_: object) -> None:
    raise Stop


def _until_the_power_goes(root: Path, old: Words, new: Words, at: int, choose: Callable[[], bool]) -> tuple[World, int]:
    """A machine that starts again, with an empty kernel; and how many calls of the disk there were."""
    with pytest.MonkeyPatch.context() as patch:
        world = World(root, patch)
        world.apply(old)
        with pytest.MonkeyPatch.context() as losing:
            disk = Disk(world.installation.path, losing, at)
            disk.sync()
            with suppress(PowerLoss):
                world.apply(new)
        disk.forget(choose)
        world.driver.hold(frozenset())
        confirm.settle(world.installation)
        return world, disk.count


@settings(max_examples=8)
@given(WORDS, WORDS, st.data())
def test_after_a_loss_of_power_at_any_call_the_machine_has_one_generation_or_the_other(
    old: Words, new: Words, data: st.DataObject
) -> None:
    """What was not synced may be there or not. An apply that ended has its generation."""
    choices = [lambda: False, lambda: data.draw(st.booleans())]
    with TemporaryDirectory(dir=_MEMORY) as first:
        _, total = _until_the_power_goes(Path(first), old, new, 0, lambda: True)
    for number in range(1, total + 2):
        for choose in choices:
            with TemporaryDirectory(dir=_MEMORY) as root:
                world, _ = _until_the_power_goes(Path(root), old, new, number, choose)
                assert world.recorded() in ((old, new) if number <= total else (new,)), number
                assert world.at_rest(), number


@pytest.mark.parametrize("target", ["nft", "ipvs"])
def test_what_is_killed_before_the_new_rules_are_in_is_not_finished(
    target: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where addresses come first, as they do when rules that translate go: they are no sign of the new rules."""
    seen: list[tuple[str, Phase | None]] = []
    world = World(tmp_path, monkeypatch)
    world.apply(frozenset(("a", "A")))

    def see(event: Event) -> None:
        seen.append((event.what, event.step.phase if event.step else None))

    monkeypatch.setattr(engine, "preflight", lambda _: [])  # whether this machine has IPVS
    monkeypatch.setattr(planning, "Transition", lambda old, _: Transition(old, target))
    world.apply(frozenset(("b", "B", "@vip")), see)
    addresses = [("done", Phase.ADDRESSES)]
    assert [one for one in seen if one[0] in ("done", "switched")] == [
        *(addresses if target == "ipvs" else []),
        ("done", Phase.SERVERS),
        ("done", Phase.RULES),
        ("switched", None),  # from here on, the next command finishes it
        *(addresses if target == "nft" else []),
        ("done", Phase.SERVERS_OFF),
    ]


def test_what_cannot_be_put_back_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(tmp_path, monkeypatch)
    world.apply(frozenset("ab"))

    def refuse(event: Event) -> None:
        if event.what == "reading back":
            world.driver.refused = frozenset("b")
            raise OSError(5, "Input/output error")

    with pytest.raises(Broken) as caught:
        world.apply(frozenset("ac"), refuse)
    assert [str(change) for change in caught.value.not_restored] == ["+ word b"]
    world.driver.refused = frozenset()
    assert [said.endswith("is undone") for said in confirm.settle(world.installation)] == [True]


def test_what_the_kernel_drops_silently_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(tmp_path, monkeypatch)

    def interfere(event: Event) -> None:
        if event.what == "reading back":
            world.driver.hold(world.driver.holds() - {"a"})

    with pytest.raises(Restored) as caught:
        world.apply(frozenset("ab"), interfere)
    assert isinstance(caught.value.cause, NotTaken)
    assert (world.driver.holds(), world.installation.number) == (frozenset(), None)


def test_drift_is_put_back_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A failed apply does not mend what somebody changed by hand either: it leaves what it found."""
    world = World(tmp_path, monkeypatch)
    world.apply(frozenset("ab"))
    world.driver.hold(frozenset("axY"))
    with pytest.raises(Restored):
        world.apply(frozenset("cd"), AtEvent(6, OSError(5, "Input/output error")))
    assert world.driver.holds() == frozenset("axY")


def test_a_bundle_that_was_changed_since_is_not_gone_back_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(tmp_path, monkeypatch)
    world.apply(frozenset("ab"))
    path = world.installation.path / "000001.bundle"
    path.write_text(path.read_text().replace("a\n", "x\n"))
    with pytest.raises(StoreError, match="its hash has changed"):
        confirm.earlier(world.installation, 1, "rollback")
    world.apply(frozenset("c"))
    assert world.driver.holds() == frozenset("c")


def test_what_can_be_neither_finished_nor_undone_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(tmp_path, monkeypatch)
    world.apply(frozenset("ab"))

    def refuse(event: Event) -> None:
        if event.what == "reading back":
            world.driver.refused = frozenset("b")
            raise OSError(5, "Input/output error")

    with pytest.raises(Broken):
        world.apply(frozenset("ac"), refuse)
    with pytest.raises(StepError, match="b is refused"):
        confirm.settle(world.installation)
    recovery.give_up(world.installation)
    world.apply(frozenset("acd"))
    assert world.driver.holds() == frozenset("acd")
    assert world.at_rest()


def test_the_state_directory_is_for_its_owner_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(tmp_path, monkeypatch)
    with world.store.locked():
        world.apply(frozenset("ab"))
    modes = {str(path.relative_to(tmp_path)): path.stat().st_mode & 0o077 for path in (tmp_path / "state").rglob("*")}
    assert set(modes.values()) == {0}, modes
    assert json.loads((world.installation.path / "000001.json").read_text())["target"] == "nft"


def test_what_was_read_ahead_counts_until_another_generation_is_in_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(tmp_path, monkeypatch)
    assert planning.read_early(world.store) is None
    world.apply(frozenset("A"))
    with monkeypatch.context() as patch:
        patch.setattr(FakeDriver, "begin", lambda *_: FakeReading(frozenset("B")))
        early = planning.read_early(world.store)
    draft = Draft(bundle_of(frozenset("B")), SCOPE, Summary(), "fake.dsl")
    assert planning.make_plan(world.installation, draft, early=early).empty
    elsewhere = Draft(bundle_of(frozenset("B")), Scope("OTHER"), Summary(), "fake.dsl")
    assert not planning.make_plan(world.store.installation("other"), elsewhere, early=early).empty
    world.apply(frozenset("C"))
    assert not planning.make_plan(world.installation, draft, early=early).empty


def test_what_is_in_the_way_of_several_parts_is_said_once() -> None:
    missing, other = "ip: missing (apt-get install iproute2)", "device vips exists"
    refused = Refused([missing, other, missing])
    assert refused.reasons == (missing, other)
    assert str(refused) == f"{missing}; {other}"


@pytest.mark.parametrize(
    ("steps", "tried"),
    [([True], []), ([False], [0]), ([True, True], [0, 1]), ([], [])],
    ids=["one that is whole or not there", "one in parts", "two", "none"],
)
def test_what_is_tried_before_steps_are_taken(steps: list[bool], tried: list[int]) -> None:
    """The only one, where the kernel takes it whole or not at all, is tried by taking it; by itself, it is tried."""
    found: list[int] = []
    made = tuple(
        Step(Phase.RULES, "fake", "a step", atomic, 1, lambda: None, partial(found.append, number))
        for number, atomic in enumerate(steps)
    )
    plan = ExecutionPlan(machine.Machine(SCOPE), Transition(None, None), States({}), States({}), (), made, ())
    engine.check(plan, lambda _: None, every=False)
    assert found == tried
    found.clear()
    engine.check(plan, lambda _: None)
    assert found == [*range(len(steps))]
