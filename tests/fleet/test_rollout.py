"""Rollouts with whatever nodes may report: what must hold for each of them, and some that a person can follow."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from svcc.fleet.documents import NodeState, Status, Want
from svcc.fleet.errors import BadDocument
from svcc.fleet.rollout import Moved, NotNow, Rollout, RolloutPhase, Seen, Since, check_free, not_back, step

NODES = ("a", "b", "c", "d")
STAGES = (("a",), ("b", "c"), ("d",))
SOAK, PATIENCE = 10.0, 30.0
#: What a node does until the next look.
_DOES = ("obeys", "obeys", "obeys", "is silent", "applies", "fails", "refuses", "dies", "is ill")


def _says(seen: Seen, does: str) -> Seen:
    """A node after it did something about what it shall do."""
    if seen.want is None or does == "is silent":
        return replace(seen, alive=True)
    if does == "dies":
        return replace(seen, alive=False)
    state = {"applies": NodeState.APPLYING, "fails": NodeState.FAILED, "refuses": NodeState.REFUSED}.get(
        does, NodeState.APPLIED
    )
    return replace(seen, alive=True, status=Status(seen.want, state, seen.want.release, down=int(does == "is ill")))


@dataclass
class _World:
    """Nodes, a rollout, and who drives it; each look checks what has to hold of it."""

    rollout: Rollout
    nodes: dict[str, Seen]
    since: Since = field(default_factory=Since)
    now: float = 0.0

    def look(self) -> bool:
        """Take one step; whether it wrote anything."""
        before = self.rollout
        taken = step(before, self.nodes, self.since, self.now)
        self._check(before, taken.rollout, taken.wants)
        for node, want in taken.wants.items():
            self.nodes[node] = replace(self.nodes[node], want=want)
        self.rollout, self.since = Rollout.read("key", taken.rollout.text), taken.since
        assert self.rollout == taken.rollout
        return taken.rollout != before

    def _check(self, before: Rollout, after: Rollout, wants: Mapping[str, Want]) -> None:
        assert not wants or after != before
        for node, want in wants.items():
            seen, earlier = self.nodes[node].want, before.moved.get(node)
            assert want.epoch > (seen.epoch if seen is not None else 0)
            assert want.epoch > (earlier.epoch if earlier is not None else 0)
            assert node in before.due
            if before.phase is RolloutPhase.RUNNING:
                assert want.release == before.release
                assert node not in before.moved
                assert after.moved[node] == Moved(want.epoch, seen.release if seen else 0, self._down(node))
            else:
                assert want.release == before.moved[node].before
                assert before.phase is RolloutPhase.BACK
        if after.stage > before.stage or (after.phase is RolloutPhase.DONE and before.phase is RolloutPhase.RUNNING):
            self._ripe(before)
        if before.phase is RolloutPhase.RUNNING and self._failed(before) > before.most:
            assert after.phase is RolloutPhase.BACK
            assert not wants
            assert after.words
        if after.phase.ended and not before.phase.ended:
            assert before.phase is (RolloutPhase.RUNNING if after.phase is RolloutPhase.DONE else RolloutPhase.BACK)
        if after.phase is RolloutPhase.RETURNED:
            assert {node: self._release(node) for node in after.moved} == {
                node: one.before for node, one in after.moved.items()
            }

    def _ripe(self, before: Rollout) -> None:
        """All nodes so far were well for the soak, but for as many as may fail."""
        assert {*before.due} == before.moved.keys()
        well = {node for node in before.moved if self._is_well(before, node)}
        assert len(before.moved) - len(well) <= before.most
        assert all(self.now - self.since.well.get(node, self.now) >= before.soak for node in well)

    def _is_well(self, rollout: Rollout, node: str) -> bool:
        seen, moved = self.nodes[node], rollout.moved[node]
        said = seen.status
        return (
            seen.alive
            and said is not None
            and said.want == seen.want == Want(moved.epoch, rollout.release)
            and said.state is NodeState.APPLIED
            and said.down <= moved.down
        )

    def _failed(self, rollout: Rollout) -> int:
        """The nodes that say that they failed, or that they are ill."""
        said = [(self.nodes[node], one) for node, one in rollout.moved.items()]
        return sum(
            seen.status is not None
            and seen.status.want == seen.want
            and (seen.status.state in (NodeState.FAILED, NodeState.REFUSED) or seen.status.down > moved.down)
            for seen, moved in said
            if seen.status is not None and seen.status.state is not NodeState.APPLYING
        )

    def _down(self, node: str) -> int:
        status = self.nodes[node].status
        return status.down if status is not None else 0

    def _release(self, node: str) -> int:
        want = self.nodes[node].want
        return want.release if want is not None else 0

    @property
    def goes_back(self) -> bool:
        return self.rollout.phase is RolloutPhase.BACK

    def settle(self, does: str = "obeys") -> None:
        """All nodes do the same from now on, and time goes by."""
        for _ in range(60):
            while self.look():
                pass
            self.now += SOAK
            self.nodes = {node: _says(seen, does) for node, seen in self.nodes.items()}


def _world(most: int = 0, before: Mapping[str, Want | None] | None = None) -> _World:
    wants = before if before is not None else dict.fromkeys(NODES, Want(4, 6))
    nodes = {node: Seen(want, alive=True) for node, want in wants.items()}
    return _World(Rollout(7, STAGES, SOAK, PATIENCE, most), nodes)


_BEFORE = st.none() | st.builds(Want, epoch=st.integers(1, 9), release=st.integers(0, 7))


@given(st.data(), st.integers(0, 2), st.fixed_dictionaries(dict.fromkeys(NODES, _BEFORE)))
def test_what_holds_of_every_rollout(data: st.DataObject, most: int, before: dict[str, Want | None]) -> None:
    world = _world(most, before)
    for _ in range(data.draw(st.integers(0, 25), label="looks")):
        world.look()
        if data.draw(st.integers(0, 9)) == 0:
            world.since = Since()  # who drove it died, and another goes on
        world.now += data.draw(st.sampled_from([0.0, 1.0, SOAK, PATIENCE]))
        for node in NODES:
            world.nodes[node] = _says(world.nodes[node], data.draw(st.sampled_from(_DOES)))
    went_back = world.rollout.phase in (RolloutPhase.BACK, RolloutPhase.RETURNED)
    world.settle()
    assert world.rollout.phase.ended
    assert not went_back or world.rollout.phase is RolloutPhase.RETURNED
    if world.rollout.phase is RolloutPhase.RETURNED:
        assert not_back(world.rollout, world.nodes) == []
    untouched = {*NODES} - world.rollout.moved.keys()
    assert {node: world.nodes[node].want for node in untouched} == {node: before[node] for node in untouched}


@given(st.sampled_from(["is silent", "dies", "fails", "refuses", "applies", "is ill"]), st.sampled_from(NODES))
def test_one_node_that_does_not_obey_takes_all_back(does: str, bad: str) -> None:
    world = _world()
    for _ in range(40):
        while world.look():
            pass
        world.now += SOAK
        for node in NODES:
            world.nodes[node] = _says(
                world.nodes[node], does if node == bad and node in world.rollout.moved else "obeys"
            )
        if world.goes_back:
            break
    assert world.goes_back
    assert world.rollout.words.startswith(f"{bad} ")
    world.settle()
    assert world.rollout.phase is RolloutPhase.RETURNED
    assert {seen.want and seen.want.release for seen in world.nodes.values()} == {6}
    passed = [node for nodes in STAGES[: world.rollout.stage + 1] for node in nodes]
    assert {*world.rollout.moved} == {*passed}


def test_nodes_that_obey_get_it_stage_by_stage() -> None:
    world, had = _world(), []
    while not world.rollout.phase.ended:
        if not world.look():
            had.append([node for node in NODES if world.nodes[node].want == Want(5, 7)])
            world.now += SOAK
            world.nodes = {node: _says(seen, "obeys") for node, seen in world.nodes.items()}
    assert world.rollout.phase is RolloutPhase.DONE
    assert had == [["a"], ["a"], ["a", "b", "c"], ["a", "b", "c"], [*NODES], [*NODES]]


def test_a_node_that_dies_soaks_anew() -> None:
    world = _world()
    world.look()
    world.nodes["a"] = _says(world.nodes["a"], "obeys")
    assert not world.look()
    world.now = SOAK - 1
    world.nodes["a"] = _says(world.nodes["a"], "dies")
    assert not world.look()
    world.now = SOAK + 1
    world.nodes["a"] = _says(world.nodes["a"], "obeys")
    assert not world.look()
    assert step(world.rollout, world.nodes, world.since, world.now).again == world.now + SOAK
    world.now += SOAK
    assert world.look()
    assert world.rollout.stage == 1


def test_nodes_that_fail_before_it_are_not_its_fault() -> None:
    world = _world()
    for node in NODES:
        world.nodes[node] = replace(
            world.nodes[node], status=Status(Want(4, 6), NodeState.APPLIED, 6, down=1), alive=True
        )
    world.settle("is ill")
    assert world.rollout.phase is RolloutPhase.DONE


def test_who_adopts_meanwhile_does_not_stop_it() -> None:
    world = _world()
    world.look()
    world.nodes["a"] = replace(world.nodes["a"], want=Want(90, 7))
    world.nodes["a"] = _says(world.nodes["a"], "obeys")
    assert not world.look()
    world.rollout = world.rollout.taken_back("somebody wants it")
    world.look()
    assert world.nodes["a"].want == Want(91, 6)


def test_many_nodes_are_moved_in_transactions_that_etcd_takes() -> None:
    nodes = tuple(f"node-{number:04}" for number in range(1000))
    world = _World(Rollout(7, (nodes,), SOAK), {node: Seen(alive=True) for node in nodes})
    sizes = []
    while (taken := step(world.rollout, world.nodes, world.since, 0.0)).wants:
        sizes.append(len(taken.wants))
        world.look()
    assert sizes == [100] * 10


def test_it_is_paused_resumed_and_taken_back() -> None:
    rollout = Rollout(7, STAGES)
    paused = rollout.paused()
    taken = step(paused, {}, Since(), 0.0)
    assert (taken.rollout, taken.wants, taken.again) == (paused, {}, None)
    assert paused.resumed() == rollout == rollout.resumed()
    back = rollout.taken_back("why")
    assert back.taken_back("again") == back == back.resumed()
    done = replace(rollout, phase=RolloutPhase.DONE)
    assert done.taken_back("why").phase is RolloutPhase.BACK
    for wrong in (paused.paused, back.paused, done.paused, done.resumed):
        with pytest.raises(NotNow):
            wrong()
    with pytest.raises(NotNow, match="went back"):
        replace(rollout, phase=RolloutPhase.RETURNED).taken_back("why")
    check_free(None)
    check_free(done)
    with pytest.raises(NotNow, match="is paused, at stage 1 of 3"):
        check_free(paused)


@pytest.mark.parametrize(
    ("was", "altered"),
    [
        ('"stage":0', '"stage":3'),
        ('[["a"],["b","c"],["d"]]', "[]"),
        ('[["a"],["b","c"],["d"]]', '[["a"],[]]'),
        ('[["a"],["b","c"],["d"]]', '[["a"],["a"]]'),
        ('[["a"],["b","c"],["d"]]', '[["a"],["a/b"]]'),
        ('"moved":{}', '"moved":{"d":{"epoch":1,"before":0,"down":0,"back":0}}'),
        ('"phase":"running"', '"phase":"asleep"'),
        ('"soak":60.0', '"soak":-1'),
    ],
)
def test_what_no_rollout_is_made_of_is_refused(was: str, altered: str) -> None:
    text = Rollout(7, STAGES).text
    assert was in text
    with pytest.raises(BadDocument, match="key"):
        Rollout.read("key", text.replace(was, altered))
