"""What an agent knows of endpoints, in STATE/NAME/health.json: for its next start, and for ``svcc agent status``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from svcc.agent.health import Standing
from svcc.agent.probe import Answer, Probe
from svcc.apply import files
from svcc.apply.store import Installation

_VERSION = 1


@dataclass(frozen=True, slots=True)
class Noted:
    """A probe as it was noted: what it is called, and how it stands."""

    name: str
    standing: Standing


def path_of(installation: Installation) -> Path:
    return installation.path / "health.json"


def write(installation: Installation, standings: Mapping[Probe, Standing]) -> None:
    """Note all standings. Errors: OSError."""
    noted = {probe.key: {"name": str(probe), **asdict(standing)} for probe, standing in standings.items()}
    files.make_directory(installation.path)
    files.write(path_of(installation), json.dumps({"version": _VERSION, "probes": noted}, indent=1) + "\n")


def read(installation: Installation) -> dict[str, Noted]:
    """What was noted, by the keys of probes. What cannot be read is not known: the agent finds out again."""
    try:
        data = json.loads(path_of(installation).read_text(encoding="utf-8"))
        if data["version"] != _VERSION:
            return {}
        return {str(key): _from_json(noted) for key, noted in data["probes"].items()}
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return {}


def _from_json(data: Any) -> Noted:
    said = data["answer"]
    answer = None if said is None else Answer(bool(said["passed"]), str(said["words"]), float(said["seconds"]))
    standing = Standing(bool(data["up"]), float(data["since"]), int(data["row"]), answer, bool(data["joining"]))
    return Noted(str(data["name"]), standing)
