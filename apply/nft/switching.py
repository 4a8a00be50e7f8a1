"""The steps between two states: one transaction, and on old kernels a second one for what it leaves over."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import replace

from svcc.apply.nft import affinity, delta, tool
from svcc.apply.nft.changes import changes
from svcc.apply.nft.culprit import find_culprit
from svcc.apply.nft.state import NftState
from svcc.apply.nft.titles import title
from svcc.apply.nft.transaction import Command
from svcc.apply.steps import Phase, Step, StepError

#: From this kernel on, a chain can be deleted in the transaction that takes its last reference out of a map.
_TOGETHER = (6, 2)
#: How often a transaction with clients in it is tried: on older kernels a client's time may end in the midst of it.
_TRIES = 3


def steps(live: NftState, wanted: NftState) -> list[Step]:
    """Equal states: none."""
    if live == wanted:
        return []
    together = kernel() >= _TOGETHER
    switch = _Switch(live, wanted, list(delta.switch(live, wanted, together=together)), affinity.moves(live, wanted))
    found = [switch.step(Phase.RULES)]
    if not together:
        sweep = _Switch(live, wanted, list(delta.sweep(live, wanted)), []).step(Phase.SETS_OFF)
        found.append(replace(sweep, check=None))  # before the switch, its chains are in use
    return [step for step in found if step.size]


def kernel() -> tuple[int, ...]:
    """The release of the kernel that runs: (6, 1)."""
    return tuple(map(int, re.findall(r"\d+", os.uname().release)[:2]))


class _Switch:
    """A transaction; ``moves`` are of clients, and become commands when it runs."""

    def __init__(
        self, live: NftState, wanted: NftState, commands: Sequence[Command], moves: list[affinity.Move]
    ) -> None:
        self._live, self._wanted = live, wanted
        self._commands, self._moves = commands, moves

    def step(self, phase: Phase) -> Step:
        size = sum(command.size for command in self._commands)
        return Step(phase, tool.PART, title(self._commands, self._live), True, size, self.run, self.check)

    def run(self) -> None:
        for _ in range(_TRIES if self._moves else 1):
            commands = self._all()
            try:
                tool.run([command.json() for command in commands])
            except StepError as error:
                refused = error
            else:
                return
        raise self._explained(refused, commands)

    def check(self) -> None:
        commands = self._all()
        try:
            tool.check([command.json() for command in commands])
        except StepError as error:
            raise self._explained(error, commands) from error

    def _all(self) -> list[Command]:
        return [*self._commands, *affinity.commands(self._live, self._wanted, self._moves)]

    def _explained(self, error: StepError, commands: Sequence[Command]) -> StepError:
        """The error with the change that is to blame."""
        found = find_culprit(commands) if tool.installed() else None
        if found is None:
            return error
        name, line = found
        blamed = (change for change in changes(self._live, self._wanted) if (change.kind, change.subject) == name)
        return StepError(tool.PART, error.words, culprit=next(blamed, None), line=line)
