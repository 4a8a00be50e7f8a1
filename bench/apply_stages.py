"""Time the stages of an apply inside one process; print the wall seconds of each as a JSON object.

python bench/apply_stages.py FILE TARGET STATE-DIR
"""

from __future__ import annotations

import gc
import json
import sys
from pathlib import Path
from time import perf_counter

from svcc.apply import engine
from svcc.apply.engine import Event
from svcc.apply.store import Store
from svcc.applying import Cause, draft_of, explained, make_plan, read_early
from svcc.inputs import read_input
from svcc.targets import targets

#: The stage that begins with an event.
_BEGINS = {
    "checking": "check",
    "recording": "record",
    "step": "kernel",
    "done": "after the steps",
    "reading back": "read back",
    "finishing": "record",
}


class Stages:
    """A receiver of an apply's events. The time after an event belongs to the stage that began with it."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._stage = "compile"
        self._begun = perf_counter()

    def begin(self, stage: str) -> None:
        now = perf_counter()
        self.seconds[self._stage] = self.seconds.get(self._stage, 0) + now - self._begun
        self._stage, self._begun = stage, now

    def __call__(self, event: Event) -> None:
        if event.what in _BEGINS:
            self.begin(_BEGINS[event.what])


def apply(file: str, name: str, state: Path) -> dict[str, float]:
    """Return the seconds by stage. A failure ends the process with message and status, as in ``svcc apply``."""
    stages, store = Stages(), Store(state)
    early = read_early(store)  # the tool reads the kernel meanwhile
    given = read_input(file, targets()[name], None, "text")
    draft = draft_of(given, store)
    installation = store.installation(draft.scope.table)
    with explained(Cause()), store.locked():
        stages.begin("plan")
        plan = make_plan(store, installation, draft, early=early)
        assert plan.steps, "nothing is to do"
        engine.check(plan, stages)
        engine.perform(plan, installation, draft, stages)
    stages.begin("")
    return stages.seconds


if __name__ == "__main__":
    gc.disable()  # as svcc does
    json.dump(apply(sys.argv[1], sys.argv[2], Path(sys.argv[3])), sys.stdout)
