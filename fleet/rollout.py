"""A rollout as a state machine: from what nodes report to what they shall do next.

It asks nobody and waits for nothing. So a driver may die at any time, and another one goes on from what is written.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from types import MappingProxyType

from svcc.compiler.suggest import count
from svcc.fleet.document_members import Json, JsonMembers, members_of, text_of
from svcc.fleet.documents import NodeState, Status, Want
from svcc.fleet.errors import BadDocument, FleetError

#: How many nodes are moved at once. etcd takes 128 operations in one transaction, and as many comparisons.
BATCH = 100
#: How many nodes are named in a text.
_NAMED = 5


class RolloutPhase(StrEnum):
    """Where a rollout stands."""

    RUNNING = "running"  # nodes are moved, stage by stage
    PAUSED = "paused"  # somebody stopped it; nodes stay as they are
    BACK = "back"  # nodes that were moved are going back
    DONE = "done"  # all stages have the release
    RETURNED = "returned"  # nodes that were moved have their earlier release again

    @property
    def ended(self) -> bool:
        """Whether a rollout in this phase goes no further."""
        return self in (RolloutPhase.DONE, RolloutPhase.RETURNED)


@dataclass(frozen=True, slots=True)
class Moved:
    """A node that was moved to the release.

    ``epoch``: that of its want then; ``before``: the release of its want until then, else the one that it served, 0
    where there was none; ``down``: how many services were down there; ``back``: the epoch with which it goes back, 0
    where it does not.
    """

    epoch: int
    before: int
    down: int = 0
    back: int = 0


@dataclass(frozen=True, slots=True)
class Rollout:
    """A release on its way to the nodes, as it is in etcd.

    ``stages``: the nodes of each stage; ``stage``: the present one, from 0; ``soak``: seconds for which a node has to
    be well; ``patience``: seconds within which it has to report; ``most``: how many nodes may fail; ``words``: why the
    rollout goes back, for people.
    """

    release: int
    stages: tuple[tuple[str, ...], ...]
    soak: float = 60.0
    patience: float = 120.0
    most: int = 0
    phase: RolloutPhase = RolloutPhase.RUNNING
    stage: int = 0
    moved: Mapping[str, Moved] = field(default_factory=lambda: MappingProxyType({}))
    words: str = ""

    @property
    def text(self) -> str:
        """The document in etcd."""
        moved: dict[str, Json] = {
            node: {"epoch": one.epoch, "before": one.before, "down": one.down, "back": one.back}
            for node, one in self.moved.items()
        }
        stages: list[Json] = [[*nodes] for nodes in self.stages]
        return text_of(
            {
                "release": self.release,
                "stages": stages,
                "soak": self.soak,
                "patience": self.patience,
                "max_failed": self.most,
                "phase": self.phase.value,
                "stage": self.stage,
                "moved": moved,
                "words": self.words,
            }
        )

    @classmethod
    def read(cls, key: str, text: str | bytes) -> Rollout:
        """Read a rollout from its document. Errors: BadDocument."""
        members = members_of(key, text)
        found = cls(
            release=members.number("release", 1),
            stages=members.groups("stages"),
            soak=members.seconds("soak"),
            patience=members.seconds("patience"),
            most=members.number("max_failed"),
            phase=members.choice("phase", RolloutPhase),
            stage=members.number("stage"),
            moved=members.by_node("moved", _moved),
            words=members.text("words"),
        )
        members.end()
        if found.stage >= len(found.stages) or not found.moved.keys() <= {*found.due}:
            raise BadDocument(f"{key} has nodes that were moved before their stage")
        return found

    @property
    def due(self) -> list[str]:
        """The nodes of all stages up to the present one."""
        return [node for nodes in self.stages[: self.stage + 1] for node in nodes]

    def paused(self) -> Rollout:
        """Return the rollout, paused. Errors: NotNow."""
        if self.phase is not RolloutPhase.RUNNING:
            raise NotNow(f"the rollout of release {self.release} {_STANDS[self.phase]}: it cannot be paused")
        return replace(self, phase=RolloutPhase.PAUSED)

    def resumed(self) -> Rollout:
        """Return the rollout, going on. Errors: NotNow."""
        if self.phase.ended:
            raise NotNow(f"the rollout of release {self.release} {_STANDS[self.phase]}: there is nothing to resume")
        return replace(self, phase=RolloutPhase.RUNNING) if self.phase is RolloutPhase.PAUSED else self

    def taken_back(self, words: str) -> Rollout:
        """Return the rollout, going back. ``words``: the reason. Errors: NotNow."""
        if self.phase is RolloutPhase.RETURNED:
            raise NotNow(f"the rollout of release {self.release} {_STANDS[self.phase]}")
        return self if self.phase is RolloutPhase.BACK else replace(self, phase=RolloutPhase.BACK, words=words)


_STANDS = {
    RolloutPhase.RUNNING: "is under way",
    RolloutPhase.PAUSED: "is paused",
    RolloutPhase.BACK: "goes back",
    RolloutPhase.DONE: "is done",
    RolloutPhase.RETURNED: "went back",
}


class NotNow(FleetError):
    """The phase of the rollout does not allow this."""


def check_free(rollout: Rollout | None) -> None:
    """Check that no rollout is under way. Errors: NotNow."""
    if rollout is not None and not rollout.phase.ended:
        raise NotNow(
            f"the rollout of release {rollout.release} {_STANDS[rollout.phase]}, at stage {rollout.stage + 1} of "
            f"{len(rollout.stages)}: go on with it (--resume) or take it back (--back) first"
        )


def _moved(nodes: JsonMembers, node: str) -> Moved:
    members = nodes.inner(node)
    found = Moved(
        epoch=members.number("epoch", 1),
        before=members.number("before"),
        down=members.number("down"),
        back=members.number("back"),
    )
    members.end()
    return found


# ---- what etcd has of the nodes


@dataclass(frozen=True, slots=True)
class Seen:
    """A node as it is in etcd: what it shall do, what it reports, whether its agent lives, and the announced addresses
    for which it answers. ``unread``: why its report cannot be read; "" where it can, or there is none."""

    want: Want | None = None
    status: Status | None = None
    alive: bool = False
    holds: tuple[str, ...] = ()
    unread: str = ""

    @property
    def ahead(self) -> bool:
        """Whether the node followed more than this etcd knows, which was restored from a backup or is a new one.

        The node refuses its wants, or will, until somebody adopts it.
        """
        if self.status is None:
            return False
        refuses = self.status.state is NodeState.REFUSED and self.status.want == self.want
        return refuses or self.status.followed > (0 if self.want is None else self.want.epoch)


@dataclass(frozen=True, slots=True)
class Since:
    """Since when nodes are well, and since when nodes are waited for, in seconds of the driver's clock.

    It is not written to etcd: a driver that takes over begins to count anew.
    """

    well: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))
    waits: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))


class _Verdict(StrEnum):
    """What a rollout makes of a node's report."""

    WELL = "well"
    WAITS = "waits"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class RolloutStep:
    """What is to be written, in one transaction, and what is to be remembered.

    ``wants``: what nodes shall do from now on; ``again``: when to look again even if nothing happens, None where there
    is no such time.
    """

    rollout: Rollout
    wants: Mapping[str, Want]
    since: Since
    again: float | None = None


_NOTHING: Mapping[str, Want] = MappingProxyType({})
_NOBODY = Seen()


def step(rollout: Rollout, nodes: Mapping[str, Seen], since: Since, now: float) -> RolloutStep:
    """Return the next step. ``now``: seconds of a clock that is never put back; ``since``: that of the step before.

    Where the rollout stays the same, nothing is to be written: look again when a node reports something, or at
    ``again``.
    """
    if rollout.phase not in (RolloutPhase.RUNNING, RolloutPhase.BACK):
        return RolloutStep(rollout, _NOTHING, Since())
    verdicts = {node: _verdict(rollout, node, nodes.get(node, _NOBODY)) for node in rollout.moved}
    since = _later(verdicts, since, now)
    late = {node for node, began in since.waits.items() if now - began >= rollout.patience}
    failed = sorted(late | {node for node, one in verdicts.items() if one is _Verdict.FAILED})
    if rollout.phase is RolloutPhase.BACK:
        return _back(rollout, nodes, since, failed)
    if len(failed) > rollout.most:
        return RolloutStep(
            replace(rollout, phase=RolloutPhase.BACK, words=_why(rollout, nodes, failed)), _NOTHING, Since()
        )
    if rest := [node for node in rollout.due if node not in rollout.moved][:BATCH]:
        return _move(rollout, nodes, rest, since)
    unripe = [began + rollout.soak for node, began in since.well.items() if now - began < rollout.soak]
    if unripe or len(since.waits) > len(late):
        return RolloutStep(rollout, _NOTHING, since, _soonest(rollout, since, late, unripe))
    if rollout.stage + 1 < len(rollout.stages):
        return RolloutStep(replace(rollout, stage=rollout.stage + 1), _NOTHING, since)
    return RolloutStep(replace(rollout, phase=RolloutPhase.DONE), _NOTHING, since)


def _verdict(rollout: Rollout, node: str, seen: Seen) -> _Verdict:
    moved = rollout.moved[node]
    goes_back = rollout.phase is RolloutPhase.BACK
    release = moved.before if goes_back else rollout.release
    if seen.want is None or seen.want.epoch < (moved.back if goes_back else moved.epoch):
        return _Verdict.FAILED  # somebody deleted what it shall do, or replaced it by something older
    if seen.want.release != release:
        return _Verdict.FAILED
    said = seen.status
    if said is None or said.want != seen.want or said.state is NodeState.APPLYING:
        return _Verdict.WAITS
    if said.state is not NodeState.APPLIED or (said.down > moved.down and not goes_back):
        return _Verdict.FAILED
    return _Verdict.WELL if seen.alive else _Verdict.WAITS


def _later(verdicts: Mapping[str, _Verdict], since: Since, now: float) -> Since:
    def kept(verdict: _Verdict, before: Mapping[str, float]) -> dict[str, float]:
        return {node: before.get(node, now) for node, one in verdicts.items() if one is verdict}

    return Since(kept(_Verdict.WELL, since.well), kept(_Verdict.WAITS, since.waits))


def _soonest(rollout: Rollout, since: Since, late: Iterable[str], others: Iterable[float]) -> float | None:
    passed = set(late)
    ends = [began + rollout.patience for node, began in since.waits.items() if node not in passed]
    return min([*ends, *others], default=None)


def _move(rollout: Rollout, nodes: Mapping[str, Seen], chosen: list[str], since: Since) -> RolloutStep:
    moved, wants = dict(rollout.moved), {}
    for node in chosen:
        seen = nodes.get(node, _NOBODY)
        epoch, before = (seen.want.epoch, seen.want.release) if seen.want is not None else (0, 0)
        down, serves = (seen.status.down, seen.status.serves) if seen.status is not None else (0, 0)
        if not before and not seen.ahead:  # etcd wants nothing of it, and it goes on with what it served
            before = serves
        moved[node] = Moved(epoch + 1, before, down)
        wants[node] = Want(epoch + 1, rollout.release)
    return RolloutStep(replace(rollout, moved=moved), wants, since)


def _back(rollout: Rollout, nodes: Mapping[str, Seen], since: Since, failed: list[str]) -> RolloutStep:
    if rest := [node for node, one in rollout.moved.items() if not one.back][:BATCH]:
        moved, wants = dict(rollout.moved), {}
        for node in rest:
            seen, one = nodes.get(node, _NOBODY), rollout.moved[node]
            epoch = max(one.epoch, seen.want.epoch if seen.want is not None else 0) + 1
            moved[node] = replace(one, back=epoch)
            wants[node] = Want(epoch, one.before)
        return RolloutStep(replace(rollout, moved=moved), wants, Since())
    if any(node not in failed for node in since.waits):
        return RolloutStep(rollout, _NOTHING, since, _soonest(rollout, since, failed, ()))
    words = rollout.words
    if failed:
        words = f"{words}; not back yet: {_named(failed)}"
    if stuck := going_on(rollout, nodes):
        words = f"{words}; nodes that had no release before go on with {rollout.release}: {_named(stuck)}"
    return RolloutStep(replace(rollout, phase=RolloutPhase.RETURNED, words=words), _NOTHING, since)


def not_back(rollout: Rollout, nodes: Mapping[str, Seen]) -> list[str]:
    """Return the nodes of a rollout that goes or went back that do not report the release that they had before."""
    asked = replace(rollout, phase=RolloutPhase.BACK)
    return sorted(
        node for node in rollout.moved if _verdict(asked, node, nodes.get(node, _NOBODY)) is not _Verdict.WELL
    )


def going_on(rollout: Rollout | None, nodes: Mapping[str, Seen]) -> list[str]:
    """Return the nodes that go on with a release that was taken back: nothing was wanted of them before, and no agent
    takes away everything that a machine serves."""
    if rollout is None:
        return []
    return sorted(node for node, one in rollout.moved.items() if _goes_on(rollout, one, nodes.get(node, _NOBODY)))


def _goes_on(rollout: Rollout, moved: Moved, seen: Seen) -> bool:
    if not moved.back or moved.before or seen.status is None:
        return False
    return seen.want == Want(moved.back, 0) and seen.status.serves == rollout.release


def _why(rollout: Rollout, nodes: Mapping[str, Seen], failed: list[str]) -> str:
    """Say why a rollout goes back."""
    reasons = [f"{node} {_reason(rollout, node, nodes.get(node, _NOBODY))}" for node in failed[:_NAMED]]
    more = f", and {count(len(failed) - _NAMED, 'other node')}" if len(failed) > _NAMED else ""
    return "; ".join(reasons) + more


def _reason(rollout: Rollout, node: str, seen: Seen) -> str:
    said, moved = seen.status, rollout.moved[node]
    if seen.want is None or seen.want.release != rollout.release or seen.want.epoch < moved.epoch:
        return "was told something else meanwhile"
    if not seen.alive:
        return "does not live"
    if seen.unread:
        return f"says what cannot be read: {seen.unread}"
    if said is None or said.want != seen.want:
        return "says nothing"
    if said.state is NodeState.APPLYING:
        return "does not come to an end"
    if said.state is NodeState.APPLIED:
        return f"has {count(said.down, 'service')} down, and had {moved.down} before"
    first = said.words.partition("\n")[0][:200]
    return f"{said.state}: {first}" if first else f"{said.state}"


def _named(nodes: list[str]) -> str:
    return ", ".join(nodes[:_NAMED]) + (f" and {len(nodes) - _NAMED} more" if len(nodes) > _NAMED else "")
