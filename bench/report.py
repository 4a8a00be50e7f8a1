"""What was measured: as JSON, and as tables."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from typing import Any

from loads import Load
from measure import Sample, Spread, ratio
from rich.console import Console
from rich.table import Table

#: What svcc does before a target has its turn.
_FRONT_END = ("parse", "lower", "check")
_TIMES = ("seconds", "cpu")


def machine() -> dict[str, str]:
    """What the figures depend on, but for the speed of the processor."""
    found = {
        "cores": str(len(os.sched_getaffinity(0))),
        "kernel": platform.release().partition("-")[0],
        "python": platform.python_version(),
        "lark": version("lark"),
    }
    for command in (("nft", "--version"), ("iptables", "--version"), ("ipset", "--version")):
        try:
            said = subprocess.run(command, capture_output=True, text=True, check=False).stdout
        except FileNotFoundError:
            continue
        found[command[0]] = (
            next((word for word in said.split() if word.startswith("v")), "").removeprefix("v").strip(",")
        )
    return found


@dataclass(slots=True)
class Document:
    """Samples by what was measured, one per round."""

    program: str
    rounds: int
    machine: dict[str, str]
    start: dict[str, list[Sample]] = field(default_factory=dict)
    compile: dict[str, list[Sample]] = field(default_factory=dict)
    stages: dict[str, list[float]] = field(default_factory=dict)
    load: dict[str, list[Sample]] = field(default_factory=dict)
    loads: list[Load] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)  # what could not be loaded here, and why

    def as_json(self) -> dict[str, Any]:
        return {
            "program": self.program,
            "rounds": self.rounds,
            "machine": self.machine,
            "stages": self.stages,
            "failed": self.failed,
            "ratios": {
                name: {time: asdict(spread) for time, spread in spreads.items()}
                for name, spreads in self.ratios().items()
            },
        } | {
            part: {name: [asdict(sample) for sample in samples] for name, samples in found.items()}
            for part, found in (("start", self.start), ("compile", self.compile), ("load", self.load))
        }

    def ratios(self) -> dict[str, dict[str, Spread]]:
        """By what is compared with what, and by which time: ``seconds`` by the clock or ``cpu``."""
        found: dict[str, dict[str, Spread]] = {}
        if self.stages:
            front = [sum(values) for values in zip(*(self.stages[stage] for stage in _FRONT_END), strict=True)]
            for lark in ("lark", "lark-alone"):
                found[f"parse + lower + check : {lark}"] = {"cpu": ratio(front, self.stages[lark])}
        compiled = self.compile.get("svcc compile -t nft")
        if compiled and "nft" in self.load:
            found["svcc compile -t nft : loading nft"] = {
                time: ratio(_each(compiled, time), _each(self.load["nft"], time)) for time in _TIMES
            }
        for peer in self.loads:
            ours = self._beside(peer)
            if ours and not any(step.name in self.failed for step in (*peer.steps, *ours.steps)):
                found[f"{peer.steps[0].name} : {ours.name}"] = {
                    time: ratio(self._total(peer, time), self._total(ours, time)) for time in _TIMES
                }
        return found

    def _beside(self, peer: Load) -> Load | None:
        """Our own load with a peer's tool."""
        ours = (load for load in self.loads if not load.peer and load.steps)
        return next((load for load in ours if peer.peer and load.steps[0].program == peer.steps[0].program), None)

    def _total(self, load: Load, what: str) -> list[float]:
        """The seconds of all of a load's steps, by round."""
        return [sum(values) for values in zip(*(_each(self.load[step.name], what) for step in load.steps), strict=True)]


def _each(samples: Sequence[Sample], what: str) -> list[float]:
    return [getattr(sample, what) for sample in samples]


def show(document: Document) -> None:
    """Print tables: medians, and the lowest and highest of all rounds."""
    console = Console()
    said = ", ".join(f"{name} {value}" for name, value in document.machine.items())
    console.print(f"{document.program}, rounds: {document.rounds}; {said}", soft_wrap=True)
    for title, samples in (
        ("whole processes", document.start | document.compile),
        ("loading", document.load),
    ):
        if samples:
            console.print(_sample_table(title, samples))
    if document.stages:
        console.print(_stage_table(document.stages))
    if document.ratios():
        console.print(_ratio_table(document.ratios()))
    for name, reason in document.failed.items():
        console.print(f"{name} could not be loaded: {reason}", soft_wrap=True)


def _table(title: str, *columns: str) -> Table:
    table = Table("", title=title, title_justify="left", box=None, pad_edge=False)
    for column in columns:
        table.add_column(column, justify="right")
    return table


def _sample_table(title: str, rows: Mapping[str, Sequence[Sample]]) -> Table:
    table = _table(title, "s", "low - high", "cpu s", "MB")
    for name, samples in rows.items():
        wall, cpu, memory = (Spread.of(_each(samples, what)) for what in ("seconds", "cpu", "megabytes"))
        table.add_row(
            name, f"{wall.middle:.3f}", f"{wall.low:.3f} - {wall.high:.3f}", f"{cpu.middle:.3f}", f"{memory.middle:.0f}"
        )
    return table


def _stage_table(rows: Mapping[str, Sequence[float]]) -> Table:
    table = _table("inside one process", "cpu s", "low - high")
    for name, seconds in rows.items():
        spread = Spread.of(seconds)
        table.add_row(name, f"{spread.middle:.3f}", f"{spread.low:.3f} - {spread.high:.3f}")
    return table


def _ratio_table(rows: Mapping[str, Mapping[str, Spread]]) -> Table:
    table = _table("ratios", "of s", "low - high", "of cpu s", "low - high")
    for name, spreads in rows.items():
        cells = []
        for time in _TIMES:
            spread = spreads.get(time)
            cells += [f"{spread.middle:.2f}", f"{spread.low:.2f} - {spread.high:.2f}"] if spread else ["", ""]
        table.add_row(name, *cells)
    return table
