"""Wait for what has to happen, however busy the machine is.

A test waits for a condition, never for a time. The limit only ends a test of what never happens.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol, TypeVar

import pytest

T = TypeVar("T")

#: The limit in seconds: many times what a busy machine needs, and less than the limit of a test.
LID = 300.0
_GLANCE = 0.02
#: By which part of the time that it has taken so far it may be seen later.
_LATER = 0.05


class Runs(Protocol):
    """A process, of which can be told whether it has ended."""

    def poll(self) -> int | None:
        """Return its exit status, or None while it runs."""


def until(condition: Callable[[], T | None], what: str, *, process: Runs | None = None) -> T:
    """Look at a condition until it holds, and return its value. ``what``: its name in the message where it never does.

    It fails at once where a ``process`` ends on which it depends. Looking takes at most a quarter of the time, since
    what is waited for may need the same processor; and what has taken long is looked at less often.
    """
    started = time.monotonic()
    deadline = started + LID
    while True:
        begun = time.monotonic()
        ended = process is not None and process.poll() is not None
        if found := condition():
            return found
        if ended:
            pytest.fail(f"a process ended before this: {what}")
        if time.monotonic() > deadline:
            pytest.fail(f"not within {LID:.0f} s: {what}")
        time.sleep(max(_GLANCE, 3 * (time.monotonic() - begun), _LATER * (begun - started)))
