"""The results of a run, as they are written to a file and read again."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

from measure import Cases, Spread, ratio


def machine() -> dict[str, str]:
    """Return what the figures depend on."""
    found = {
        "processor": _processor(),
        "cores": str(len(os.sched_getaffinity(0))),
        "kernel": platform.release().partition("-")[0],
        "python": platform.python_version(),
        "lark": version("lark"),
    }
    for command in ("nft", "iptables", "ipset", "ipvsadm"):
        try:
            done = subprocess.run([command, "--version"], capture_output=True, text=True, check=False)
        except FileNotFoundError:
            continue
        words = (word for word in done.stdout.split() if word[:1] == "v" and word[1:2].isdigit())
        if word := next(words, ""):  # ipvsadm does not print it where there is no IPVS
            found[command] = word.removeprefix("v").strip(",")
    return found


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")


@dataclass(slots=True)
class Part:
    """Cases that took turns."""

    program: str  # its size: 10000x10-mixed
    cases: Cases
    failed: dict[str, str] = field(default_factory=dict)  # why cases could not be measured here, by case
    #: The machine's load average over a minute: before, and afterwards (when it counts the benchmark itself).
    load_average: tuple[float, float] = (0.0, 0.0)
    kernel: str = field(default_factory=lambda: platform.release().partition("-")[0])

    def values(self, case: str, measure: str) -> list[float]:
        return [values[measure] for values in self.cases[case]]

    def spread(self, case: str, measure: str) -> Spread:
        return Spread.of(self.values(case, measure))

    def ratio_of_medians(self, case: str, base: str, measure: str) -> Spread:
        """Return the ratio of two cases' medians, for values that differ between rounds for reasons that the cases of a
        round do not share.

        The lowest and the highest are the ratios of consecutive fifths of the rounds.
        """
        ours, theirs = self.values(case, measure), self.values(base, measure)
        step = max(1, len(ours) // 5)
        fifths = [median(ours[i : i + step]) / median(theirs[i : i + step]) for i in range(0, len(ours), step)]
        return Spread(median(ours) / median(theirs), min(fifths), max(fifths))

    def ratio(self, case: str, base: str | Sequence[str], measure: str) -> Spread:
        """Return the ratio of a case to another one, or to the sum of others."""
        bases = [base] if isinstance(base, str) else base
        sums = [sum(values) for values in zip(*(self.values(name, measure) for name in bases), strict=True)]
        return ratio(self.values(case, measure), sums)


@dataclass(slots=True)
class Results:
    """Parts by name; those that begin with ``ipvs: `` were measured on a throw-away kernel."""

    machine: dict[str, str]
    parts: dict[str, Part] = field(default_factory=dict)

    def as_json(self) -> str:
        return json.dumps(_rounded(asdict(self)), separators=(",", ":")) + "\n"

    @classmethod
    def read(cls, file: Path) -> Results:
        return cls.of_json(json.loads(file.read_text(encoding="utf-8")))

    @classmethod
    def of_json(cls, found: Any) -> Results:
        return cls(found["machine"], {name: Part(**part) for name, part in found["parts"].items()})


def _rounded(value: Any) -> Any:
    """Round floats to five figures: more would be noise, and a larger file."""
    match value:
        case float():
            return float(f"{value:.5g}")
        case dict():
            return {key: _rounded(each) for key, each in value.items()}
        case list() | tuple():
            return [_rounded(each) for each in value]
        case _:
            return value
