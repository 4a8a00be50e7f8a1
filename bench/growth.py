"""Whether twice as many services take twice as long to compile, to load, and to apply for the first time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from loads import fresh, our_loads
from measure import SVCC, Failed, Values, rounds, run
from programs import Size
from results import Part
from task import Task

from svcc.targets.interface import Target


def growth(task: Task) -> Part:
    """Measure cases with two sizes: ``apply nft, 1000 services`` and ``apply nft, 2000 services``."""
    failed: dict[str, str] = {}
    double = replace(task.size, services=2 * task.size.services)
    cases: list[Callable[[], Mapping[str, Values]]] = [
        partial(_of_size, case, size)
        for case in (case for target in task.targets if target.loads for case in _cases(task, target, failed))
        for size in (task.size, double)
    ]
    found = rounds(cases, task.rounds)
    return Part(f"{task.size} and {double}", found, failed)


_Case = Callable[[Size], Mapping[str, Values]]


def _of_size(case: _Case, size: Size) -> Mapping[str, Values]:
    return {f"{name}, {size.services} services": values for name, values in case(size).items()}


def _cases(task: Task, target: Target, failed: dict[str, str]) -> Iterator[_Case]:
    def compiling(size: Size) -> Mapping[str, Values]:
        command = [*SVCC, "compile", str(task.written(size)), "-t", target.name]
        return {f"compile {target.name}": run(command)}

    def loading(size: Size) -> Mapping[str, Values]:
        found: dict[str, Values] = {}
        for load in our_loads(target, task.compiled(size, target)):
            with suppress(KeyError):  # one of its steps failed
                found[f"load {load.name}"] = load.run(failed)[load.name]
        return found

    def applying(size: Size) -> Mapping[str, Values]:
        name = f"apply {target.name}"
        if name in failed:
            return {}
        try:
            return {name: _first_apply(task.written(size), target)}
        except Failed as error:
            failed[name] = str(error)
            return {}

    return iter((compiling, loading, applying))


def _first_apply(file: Path, target: Target) -> Values:
    namespace = fresh("first apply")
    try:
        with TemporaryDirectory(prefix="svcc-bench-state-") as state:
            return run([*SVCC, "apply", str(file), "-t", target.name, "--state-dir", state], namespace=namespace)
    finally:
        namespace.close()
