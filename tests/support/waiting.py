"""Waiting for what has to come about, however busy the machine is.

A test waits for a condition, never for a time. The lid only ends a test of what never comes.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from typing import Any, TypeVar

import pytest

T = TypeVar("T")

#: Seconds: many times what a machine needs that has a lot else to do, and less than a test has.
LID = 300.0
_GLANCE = 0.02


def until(condition: Callable[[], T | None], what: str, *, process: subprocess.Popen[Any] | None = None) -> T:
    """Look at a condition until it holds, and give what it gave. ``what`` names it where it does not come.

    It fails at once where a ``process`` that it depends on ends before. Looks take no more than a quarter of the time:
    what is waited for may need the same processor.
    """
    deadline = time.monotonic() + LID
    while True:
        begun = time.monotonic()
        ended = process is not None and process.poll() is not None
        if found := condition():
            return found
        if ended:
            pytest.fail(f"a process ended before this: {what}")
        if time.monotonic() > deadline:
            pytest.fail(f"not within {LID:.0f} s: {what}")
        time.sleep(max(_GLANCE, 3 * (time.monotonic() - begun)))
