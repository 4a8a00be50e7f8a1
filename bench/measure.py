"""Run programs, and compare how long they take on a machine that has other work to do.

Every case runs once per round, so that a disturbance of a round affects all its cases. Times are medians with the
lowest and the highest; ratios are taken within each round first.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryFile
from typing import IO

from rich.console import Console

from svcc.verify.lab.netns import Namespace

#: The results of one run of a case, by measure: seconds by the clock, cpu seconds, megabytes, …
Values = Mapping[str, float]
#: By case, the values of each round, in the order of the rounds.
Cases = dict[str, list[Values]]

#: -P: the current directory is no place to import svcc from.
SVCC = (sys.executable, "-P", "-m", "svcc")

#: Starts a program and waits for it, as a small process of its own: the peak memory that the kernel counts for a child
#: begins with that of the process that started it.
_LAUNCHER = """
import json, os, sys, time
begun = time.perf_counter()
pid = os.posix_spawnp(sys.argv[2], sys.argv[2:], os.environ)
_, status, usage = os.wait4(pid, 0)
seconds = time.perf_counter() - begun
with os.fdopen(int(sys.argv[1]), "w") as result:
    cpu = usage.ru_utime + usage.ru_stime
    json.dump([os.waitstatus_to_exitcode(status), seconds, cpu, usage.ru_maxrss / 1024], result)
"""


class Failed(Exception):
    """A program that is measured failed; the message is what it printed."""


@dataclass(frozen=True, slots=True)
class Spread:
    """The median of some values, and the lowest and the highest."""

    middle: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Iterable[float]) -> Spread:
        known = list(values)
        return cls(median(known), min(known), max(known))


def run(
    command: Sequence[str],
    stdin: Path | None = None,
    stdout: IO[bytes] | int = subprocess.DEVNULL,
    namespace: Namespace | None = None,
) -> Values:
    """Run a program to its end, in a network namespace if one is given. Errors: Failed where its exit status is not 0.

    Return wall and processor seconds (user and system, with all children that it waited for), and its peak resident
    memory in megabytes (2**20 bytes).
    """
    reading, writing = os.pipe()
    with open(stdin or os.devnull, "rb") as text, TemporaryFile() as said, os.fdopen(reading) as result:
        with namespace.entered() if namespace else nullcontext():
            process = subprocess.Popen(
                [sys.executable, "-IS", "-c", _LAUNCHER, str(writing), *command],
                stdin=text,
                stdout=stdout,
                stderr=said,
                pass_fds=(writing,),
            )
        os.close(writing)
        answer = result.read()
        process.wait()
        status, seconds, cpu, megabytes = json.loads(answer or "[127, 0, 0, 0]")
        if status:
            said.seek(0)
            lines = said.read().decode(errors="replace").split("\n")
            reason = lines[-2] if lines[0].startswith("Traceback") else lines[0]
            shown = ["svcc", *command[len(SVCC) :]] if tuple(command[: len(SVCC)]) == SVCC else command
            raise Failed(f"{' '.join(shown)}: exit status {status}: {reason}")
    return {"seconds": seconds, "cpu": cpu, "megabytes": megabytes}


def in_a_row(samples: Iterable[Values]) -> Values:
    """Return the values of programs that ran one after another, as of one."""
    known = list(samples)
    return {
        "seconds": sum(sample["seconds"] for sample in known),
        "cpu": sum(sample["cpu"] for sample in known),
        "megabytes": max(sample["megabytes"] for sample in known),
    }


def rounds(cases: Sequence[Callable[[], Mapping[str, Values]]], number: int) -> Cases:
    """Run every case once per round; return their results by name."""
    found: Cases = {}
    for _ in range(number):
        for case in cases:
            for name, values in case().items():
                found.setdefault(name, []).append(values)
    return found


def ratio(values: Sequence[float], base: Sequence[float]) -> Spread:
    """Return how many times as large the values are as ``base``, each compared within its own round."""
    return Spread.of(value / other for value, other in zip(values, base, strict=True))


@contextmanager
def doing(what: str) -> Iterator[None]:
    """Show on a terminal what is being measured."""
    with Console(stderr=True).status(what):
        yield
