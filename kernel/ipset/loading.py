"""The steps between two states of sets, each of which is a run of ``ipset -exist restore``."""

from __future__ import annotations

import re
from collections.abc import Sequence

from svcc.kernel import tools
from svcc.kernel.ipset.difference import PART, Command, change_of, commands, prelude
from svcc.kernel.ipset.meaning import Meaning
from svcc.kernel.ipset.sets import Sets
from svcc.kernel.ownership import Ours
from svcc.kernel.steps import Phase, Step, StepError, counted
from svcc.kernel.trial import trial

_RESTORE = ("ipset", "-exist", "restore")
_FAILED = re.compile(r"Error in line (\d+): (.*)")


def steps(live: Sets, wanted: Sets, meaning: Meaning, ours: Ours) -> list[Step]:
    """Return a step for each phase in which anything changes. Steps that add something can be tried beforehand."""
    return [_step(phase, some, live, meaning) for phase, some in commands(live, wanted, meaning, ours).items()]


def _step(phase: Phase, some: list[Command], live: Sets, meaning: Meaning) -> Step:
    def run() -> None:
        _restore(some, live, meaning)

    def check() -> None:
        with trial(PART) as entered:
            if entered:
                _restore(some, live, meaning, prelude(some, live))

    adds = phase in (Phase.SETS, Phase.DECLARED)
    return Step(phase, PART, _title(some), len(some) == 1, len(some), run, check if adds else None)


def _title(some: Sequence[Command]) -> str:
    """Return the title of a step: "1 set created, 3 elements added"."""
    verbs = [command.verb for command in some]
    rebuilt = verbs.count("swap")
    counts = {
        ("set", "created"): verbs.count("create") - rebuilt,
        ("set", "made anew"): rebuilt,
        ("element", "added"): verbs.count("add"),
        ("element", "removed"): verbs.count("del"),
        ("set", "destroyed"): verbs.count("destroy") - rebuilt,
    }
    return ", ".join(f"{counted(number, noun)} {what}" for (noun, what), number in counts.items() if number)


def _restore(some: list[Command], live: Sets, meaning: Meaning, before: Sequence[Command] = ()) -> None:
    """Load the commands ``before``, then ``some``. ipset stops at the first that is refused, and what it did until then
    stays. Errors: StepError."""
    loaded = [*before, *some]
    done = tools.attempt(PART, _RESTORE, "".join(f"{command}\n" for command in loaded))
    if not done.returncode:
        return
    failed = _FAILED.search(done.words)
    if failed is None or not 1 <= int(failed[1]) <= len(loaded):
        raise done.error(PART)
    command = loaded[int(failed[1]) - 1]
    raise StepError(PART, failed[2], culprit=change_of(command, live, meaning), line=str(command))
