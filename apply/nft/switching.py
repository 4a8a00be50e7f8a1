"""The steps between two states: add the new chains and sets, switch to the new rules, and remove what is left over.

Each step is one transaction. A step is left out where there is nothing to do in it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import zip_longest

from svcc.apply.nft import affinity
from svcc.apply.nft.changes import changes
from svcc.apply.nft.stages import emptied, may_change_maps, prepared, silenced, switched
from svcc.apply.nft.stand_ins import caught_up, finds_always, hides, with_stand_ins
from svcc.kernel.nft import tool
from svcc.kernel.nft.culprit import find_culprit
from svcc.kernel.nft.delta import delta
from svcc.kernel.nft.netlink import PART
from svcc.kernel.nft.state import NftState
from svcc.kernel.nft.titles import title
from svcc.kernel.nft.transaction import Command
from svcc.kernel.packets import wait_for_packets
from svcc.kernel.steps import Phase, Step, StepError, ToolEnd

#: From this kernel on, a chain can be deleted in the transaction that takes the last reference to it out of a map.
_TOGETHER = (6, 2)
#: How often a transaction that moves clients is tried: older kernels refuse it where a client's time ends meanwhile.
_TRIES = 3


def steps(live: NftState, wanted: NftState, *, taking_over: bool = False) -> list[Step]:
    """Return the steps from the live to the wanted state; none where they are equal.

    ``taking_over``: whether another target serves now.
    """
    if live == wanted:
        return []
    moves = affinity.moves(live, wanted)
    found = [
        _Transaction(live, wanted, stage, list(delta(stage.old, stage.new)), moves if stage.switches else [])
        for stage in stages(live, wanted, taking_over=taking_over)
    ]
    return _steps_of([one for one in found if one.commands or one.moves])


@dataclass(frozen=True, slots=True)
class Stage:
    """What one transaction changes."""

    phase: Phase
    old: NftState
    new: NftState
    switches: bool = False  # whether the new endpoints begin to serve
    in_place: bool = False  # whether elements change while others answer for the same frontends


def stages(live: NftState, wanted: NftState, *, taking_over: bool) -> list[Stage]:
    """Return the stages from the live to the wanted state. In some of them, nothing changes."""
    ready = prepared(live, wanted, taking_over=taking_over)
    helped = with_stand_ins(ready, wanted, kernel())
    if helped is not wanted:
        ready = prepared(live, helped, taking_over=taking_over)
    hold = helped is not wanted or may_change_maps(live, wanted)
    silent, due = silenced(ready, helped), switched(live, helped, hold=hold)
    found = [
        Stage(Phase.SETS, live, ready),
        Stage(Phase.RULES, ready, silent),
        Stage(Phase.RULES, silent, due, switches=True),
    ]
    if hold:
        held, due = due, switched(due, wanted)
        changed = caught_up(held, due, wanted)
        found += [Stage(Phase.RULES, held, changed, in_place=True), Stage(Phase.RULES, changed, due)]
    if kernel() >= _TOGETHER:
        return [*found, Stage(Phase.SETS_OFF, due, wanted)]
    bare = emptied(due, wanted)
    return [*found, Stage(Phase.SETS_OFF, due, bare), Stage(Phase.SETS_OFF, bare, wanted)]


def _steps_of(transactions: Sequence[_Transaction]) -> list[Step]:
    """Return a step for each transaction. The check of the first one tries all that can be tried; the other steps have
    no check."""
    found: list[Step] = []
    for one in transactions:
        if found:
            found.append(one.step(check=None, wait=True))
        else:
            found.append(one.step(check=partial(_check, transactions), wait=False))
    return found


def _tried(transactions: Sequence[_Transaction]) -> list[_Transaction]:
    """Return what the kernel can try as one transaction, without harm to packets."""
    all_harmless = finds_always(kernel())
    harmless = [one.without_hiding() for one in transactions if all_harmless or not one.stage.in_place]
    hidden = any(one is not other for one, other in zip_longest(harmless, transactions))
    if kernel() >= _TOGETHER and not hidden:
        return harmless
    return [one for one in harmless if one.stage.phase <= Phase.RULES] or ([] if hidden else harmless[:1])


def kernel() -> tuple[int, ...]:
    """Return the release of the running kernel: (6, 1)."""
    return tuple(map(int, re.findall(r"\d+", os.uname().release)[:2]))


@dataclass(frozen=True)
class _Transaction:
    """A transaction on the way from ``live`` to ``wanted``. ``moves`` become commands only when it runs, because the
    clients are read then."""

    live: NftState
    wanted: NftState
    stage: Stage
    commands: Sequence[Command]
    moves: list[affinity.Move]

    def step(self, *, check: Callable[[], None] | None, wait: bool) -> Step:
        """Return the step that runs this transaction. ``wait``: whether it first waits for packets that are under way,
        because it removes or uses objects that the transaction before it left or made."""
        size = sum(command.size for command in self.commands)
        run = self._run_after_packets if wait else self.run
        return Step(self.stage.phase, PART, title(self.commands, self.live), True, size, run, check)

    def without_hiding(self) -> _Transaction:
        """Return the transaction without the commands that hide intervals from packets even when they are tried."""
        release = kernel()
        commands = [one for one in self.commands if not hides(one, self.live, self.wanted, release)]
        return self if len(commands) == len(self.commands) else replace(self, commands=commands)

    def _run_after_packets(self) -> None:
        wait_for_packets()
        self.run()

    def run(self) -> None:
        """Give the transaction to the kernel. Errors: StepError."""
        for _ in range(_TRIES if self.moves else 1):
            commands = self.all()
            try:
                tool.run([command.json() for command in commands])
            except StepError as error:
                refused = error
            else:
                return
        raise self.explained(refused, commands)

    def all(self) -> list[Command]:
        """Return all commands, those of the clients at the end. Errors: StepError."""
        return [*self.commands, *affinity.commands(self.live, self.wanted, self.moves)]

    def explained(self, error: StepError, commands: Sequence[Command]) -> StepError:
        """Return the error with the change that the kernel refused, where that can be found."""
        found = find_culprit(commands) if tool.installed() and error.end is ToolEnd.REFUSED else None
        if found is None:
            return error
        name, line = found
        blamed = (change for change in changes(self.live, self.wanted) if (change.kind, change.subject) == name)
        return StepError(PART, error.words, culprit=next(blamed, None), line=line)


def _check(transactions: Sequence[_Transaction]) -> None:
    commands = [command for one in _tried(transactions) for command in one.all()]
    if not commands:
        return
    try:
        tool.check([command.json() for command in commands])
    except StepError as error:
        raise transactions[0].explained(error, commands) from error
