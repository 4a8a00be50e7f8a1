"""Processes in the guest keep what they have in their registers while others are at work (``support.vm``, xstate.c)."""

from __future__ import annotations

import math
import subprocess
import sys

import pytest

pytestmark = [pytest.mark.vm, pytest.mark.kernel]

_COUNT = """
import math, os
for _ in range(5):
    print(sum(math.sin(one) * math.sqrt(one) for one in range(60000)))
    os.sched_yield()
"""


def test_processes_that_take_turns_count_alike() -> None:
    words = [sys.executable, "-I", "-S", "-c", _COUNT]
    counting = [subprocess.Popen(words, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    said = [process.communicate()[0].splitlines() for process in counting]
    assert [process.returncode for process in counting] == [0] * 4
    assert said == [[str(sum(math.sin(one) * math.sqrt(one) for one in range(60000)))] * 5] * 4
