"""Compile in whole processes, from text to rules; and time the stages inside."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

from loads import our_loads
from measure import SVCC, Values, rounds, run
from programs import Size
from results import Part
from task import Task

_STAGES = Path(__file__).with_name("stages.py")


def start(task: Task) -> Part:
    """Measure how long users wait before anything happens."""
    file = task.written(Size(1, 10))
    lines = len(file.read_text(encoding="utf-8").splitlines())
    cases: list[Callable[[], dict[str, Values]]] = [
        lambda: {"svcc --version": run([*SVCC, "--version"])},
        lambda: {f"svcc check, {lines} lines": run([*SVCC, "check", str(file)])},
        lambda: {"python alone": run([sys.executable, "-P", "-c", ""])},
    ]
    return Part(str(Size(1, 10)), rounds(cases, task.rounds * 2))


def compile(task: Task) -> Part:
    """Measure text to rules; and, as root, the fastest way to load rules for comparison."""
    file = str(task.written(task.size))

    def whole() -> dict[str, Values]:
        found = {f"svcc compile -t {t.name}": run([*SVCC, "compile", file, "-t", t.name]) for t in task.targets}
        return {"svcc check": run([*SVCC, "check", file])} | found

    cases: list[Callable[[], dict[str, Values]]] = [whole]
    if os.geteuid() == 0:
        cases += [
            partial(load.run, {})
            for target in task.targets
            if target.name == "nft"
            for load in our_loads(target, task.compiled(task.size, target))
        ]
    return Part(str(task.size), rounds(cases, task.rounds))


def stages(task: Task) -> Part:
    """Measure the stages of a compilation, and lark alone on the same text, in processor seconds."""
    file = str(task.written(task.size))

    def inside(*words: str) -> dict[str, Values]:
        with TemporaryFile() as said:
            run([sys.executable, "-P", str(_STAGES), file, *words], stdout=said)
            said.seek(0)
            seconds: dict[str, Any] = json.load(said)
        return {name: {"cpu": value} for name, value in seconds.items()}

    ours = partial(inside, *(target.name for target in task.targets))
    return Part(str(task.size), rounds([partial(inside, "lark"), partial(inside, "lark-alone"), ours], task.rounds))
