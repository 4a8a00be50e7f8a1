"""For tests of drivers: lead one driver from state to state, as an apply does."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from svcc.apply.driver import Driver, Transition
from svcc.apply.scope import Scope
from svcc.kernel.namespaces import Namespace
from svcc.kernel.steps import Phase, Step

SAME = Transition("ipvs", "ipvs")


@contextmanager
def inside(loopback: bool = False) -> Iterator[None]:
    """Run this thread in a network namespace of its own, which is gone afterwards."""
    namespace = Namespace("test")
    try:
        with namespace.entered():
            if loopback:
                run("ip link set lo up")
            yield
    finally:
        namespace.close()


def run(command: str, input: str | None = None) -> str:
    """Run a command that must succeed; return what it prints."""
    done = subprocess.run(command.split(), input=input, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, ""), f"{command}: {done.stderr}"
    return done.stdout


def steps_to(driver: Driver[Any], wanted: Any, scope: Scope) -> list[Step]:
    """Return the steps from the present state, in the order of their phases."""
    return sorted(driver.steps(driver.read(scope, wanted), wanted, scope, SAME), key=lambda step: step.phase)


def go(driver: Driver[Any], wanted: Any, scope: Scope) -> list[Step]:
    """Check and take all steps; check that they reach the wanted state, and nothing is left to do. Return them."""
    steps = steps_to(driver, wanted, scope)
    for step in steps:
        if step.check is not None:
            step.check()
    take(steps)
    arrived(driver, wanted, scope)
    return steps


def take(steps: Iterable[Step]) -> None:
    for step in steps:
        step.run()


def arrived(driver: Driver[Any], wanted: Any, scope: Scope) -> None:
    live = driver.read(scope, wanted)
    assert live == wanted
    assert [*driver.changes(live, wanted)] == []
    assert driver.steps(live, wanted, scope, SAME) == []
    kept = driver.load(json.loads(json.dumps(driver.dump(live))))
    assert kept == wanted


def phases(steps: Iterable[Step]) -> dict[Phase, str]:
    return {step.phase: step.title for step in steps}
