"""Change one endpoint by a session that stays open; print the median seconds of each measure as a JSON object.

python bench/session_updates.py FILE CHANGED TARGET STATE-DIR
"""

from __future__ import annotations

import gc
import json
import sys
from statistics import median
from time import perf_counter

import svcc
from svcc.apply.engine import Event
from svcc.kernel.steps import Phase

#: How many changes are timed: the endpoint is changed and changed back in turn.
_UPDATES = 6


class _Served:
    """A receiver of events that notes when the wanted rules were in the kernel."""

    def __init__(self) -> None:
        self.at = 0.0

    def __call__(self, event: Event) -> None:
        if event.what == "done" and event.step is not None and event.step.phase <= Phase.RULES:
            self.at = perf_counter()


def updates(file: str, changed: str, target: str, state: str) -> dict[str, float]:
    """Return the seconds until the kernel serves a change, and until all is recorded."""
    served = _Served()
    sides = [svcc.load(file), svcc.load(changed)]
    before, after = ({one.name: one for one in side.services} for side in sides)
    differing = [name for name in before if before[name] != after[name]]
    with svcc.Session(target, state_dir=state, tell=served) as session:
        session.follow(sides[0], sides[0])
        found: list[tuple[float, float]] = []
        for number in range(_UPDATES):
            side = before if number % 2 else after
            begun = perf_counter()
            session.update({name: side[name] for name in differing})
            found.append((served.at - begun, perf_counter() - begun))
    return {
        "update, one endpoint, to the kernel": median(kernel for kernel, _ in found),
        "update, one endpoint": median(whole for _, whole in found),
    }


if __name__ == "__main__":
    gc.disable()  # as svcc does
    json.dump(updates(*sys.argv[1:]), sys.stdout)
