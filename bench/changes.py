"""What it takes to see that nothing is to be done, and to change one endpoint, compared with reading the state by the
tools.

Whole processes are measured, in a namespace that holds the program already; and changes by a session that stays open.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile

from loads import Load, fresh, our_loads
from measure import SVCC, Failed, Values, in_a_row, rounds, run
from results import Part
from task import Task

from svcc.targets.interface import Target
from svcc.verify.lab.netns import Namespace

_STAGES = Path(__file__).with_name("apply_stages.py")
_UPDATES = Path(__file__).with_name("session_updates.py")
#: The commands that list the state, by the name of the load and the family.
_READERS: Mapping[tuple[str, int], Sequence[str]] = {
    ("nft", 4): ["nft -j list table ip svcc"],
    ("nft", 6): ["nft -j list table ip6 svcc"],
    ("iptables (legacy)", 4): ["iptables-legacy-save"],
    ("iptables (legacy)", 6): ["ip6tables-legacy-save"],
    ("iptables (nft)", 4): ["iptables-nft-save"],
    ("iptables (nft)", 6): ["ip6tables-nft-save"],
    ("ipvs", 4): ["ipset save", "ipvsadm -Sn"],
    ("ipvs", 6): ["ipset save", "ipvsadm -Sn"],
}


@dataclass(frozen=True, slots=True)
class World:
    """A namespace that holds a program, which svcc has recorded as generation 1."""

    name: str
    target: Target
    readers: Sequence[str]
    namespace: Namespace
    state: Path
    file: Path
    changed: Path  # the program with one endpoint changed

    def compile(self) -> Values:
        words = [
            *SVCC,
            "compile",
            str(self.changed),
            "-t",
            self.target.name,
            "-o",
            str(self.state.with_suffix(".rules")),
        ]
        return run(words, namespace=self.namespace)

    def svcc(self, command: str, file: Path) -> Values:
        words = [*SVCC, command, str(file), "-t", self.target.name, "--state-dir", str(self.state)]
        return run(words, namespace=self.namespace)

    def inside(self, file: Path) -> dict[str, Values]:
        seconds = self._said(_STAGES, str(file))
        return {f"{self.name}: inside apply: {stage}": {"seconds": value} for stage, value in seconds.items()}

    def updates(self) -> dict[str, Values]:
        seconds = self._said(_UPDATES, str(self.file), str(self.changed))
        return {f"{self.name}: {what}": {"seconds": value} for what, value in seconds.items()}

    def _said(self, script: Path, *files: str) -> dict[str, float]:
        """Return the seconds that a script prints."""
        words = [sys.executable, "-P", str(script), *files, self.target.name, str(self.state)]
        with TemporaryFile() as said:
            run(words, stdout=said, namespace=self.namespace)
            said.seek(0)
            seconds: dict[str, float] = json.load(said)
        return seconds

    def measure(self) -> dict[str, Values]:
        """Read with the tool, plan, apply a change, and apply it back."""
        reading = in_a_row([run(command.split(), namespace=self.namespace) for command in self.readers])
        seen = self.svcc("plan", self.file)
        plan = self.svcc("plan", self.file)
        compiled = self.compile()
        apply = self.svcc("apply", self.changed)
        return {
            f"{self.name}: reading with the tool": reading,
            f"{self.name}: first plan, nothing to do": seen,  # as a session left it, which knows no FILE
            f"{self.name}: plan, nothing to do": plan,
            f"{self.name}: compile": compiled,
            f"{self.name}: apply, one endpoint": apply,
            **self.inside(self.file),
            **self.updates(),
        }


def changes(task: Task) -> Part:
    failed: dict[str, str] = {}
    with ExitStack() as stack:
        worlds = list(_worlds(task, stack, failed))
        cases = rounds([world.measure for world in worlds], task.rounds)
    return Part(str(task.size), cases, failed)


def _worlds(task: Task, stack: ExitStack, failed: dict[str, str]) -> Iterator[World]:
    for target in task.targets:
        if target.loads:
            for load in our_loads(target, task.compiled(task.size, target)):
                try:
                    yield _world(task, target, load, stack)
                except Failed as error:
                    failed[load.name] = str(error)


def _world(task: Task, target: Target, load: Load, stack: ExitStack) -> World:
    """Load a program with the tool, which decides between the variants of xtables, and then adopt it."""
    namespace = fresh(load.name)
    stack.callback(namespace.close)
    load.into(namespace)
    state = task.folder / f"state of {load.name}"
    file, changed = task.written(task.size), task.written(task.size, changed=True)
    world = World(load.name, target, _READERS[load.name, task.size.version], namespace, state, file, changed)
    world.svcc("apply", world.file)
    return world
