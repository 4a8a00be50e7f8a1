"""What an agent knows of endpoints, in STATE/NAME/health.json: for its next start, and for who asks for it."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from svcc.agent.health import Health, Standing
from svcc.agent.probe import Answer, Probe
from svcc.apply import files
from svcc.apply.store import Installation

_VERSION = 1


@dataclass(frozen=True, slots=True)
class Noted:
    """A probe as it was noted: what it is called, what it asks, who uses it, and how it stands."""

    name: str
    address: str
    port: int
    services: tuple[str, ...]
    standing: Standing


def path_of(installation: Installation) -> Path:
    return installation.path / "health.json"


def write(installation: Installation, health: Health) -> None:
    """Note all standings. Errors: OSError."""
    noted = {probe.key: _to_json(probe, health.users[probe], one) for probe, one in health.standings.items()}
    files.make_directory(installation.path)
    files.write(path_of(installation), json.dumps({"version": _VERSION, "probes": noted}, indent=1) + "\n")


def _to_json(probe: Probe, users: Collection[str], standing: Standing) -> dict[str, Any]:
    what = {"name": str(probe), "address": str(probe.address), "port": probe.port, "services": [*users]}
    return what | asdict(standing)


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
    services = tuple(map(str, data["services"]))
    return Noted(str(data["name"]), str(data["address"]), int(data["port"]), services, standing)
