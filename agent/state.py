"""What an agent knows of endpoints, in STATE/NAME/health.json: for its next start, and for who asks for it."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from svcc.agent.health import Health, Standing
from svcc.agent.probe import Answer, Probe
from svcc.apply import files
from svcc.apply.installation import Installation

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


class Writer:
    """Notes standings, again and again: what does not change of a probe is made JSON of once."""

    def __init__(self) -> None:
        self._heads: dict[Probe, tuple[Collection[str], str]] = {}  # with the users that it was made of
        self._users: Mapping[Probe, Collection[str]] = {}
        self._written: tuple[Path, str] | None = None

    def write(self, installation: Installation, health: Health) -> None:
        """Note all standings, a line for each; nothing where they stand in the file already. Errors: OSError.

        A machine that loses its power may lose the file, and finds out again.
        """
        if self._users is not health.users:
            self._users = health.users
            self._heads = {probe: self._with_users(probe, some) for probe, some in health.users.items()}
        heads = self._heads
        lines = ",\n".join([heads[probe][1] + _tail(standing) for probe, standing in [*health.standings.items()]])
        text = f'{{"version": {_VERSION}, "probes": {{\n{lines}\n}}}}\n'
        if self._written != (installation.path, text) or not path_of(installation).exists():
            files.make_directory(installation.path)
            files.write(path_of(installation), text, lasting=False)
            self._written = installation.path, text

    def _with_users(self, probe: Probe, users: Collection[str]) -> tuple[Collection[str], str]:
        known = self._heads.get(probe)
        return known if known is not None and known[0] is users else (users, _head(probe, users))


def _head(probe: Probe, users: Collection[str]) -> str:
    """All of a probe's line but how it stands."""
    what = {"name": str(probe), "address": str(probe.address), "port": probe.port, "services": [*users]}
    return f"{json.dumps(probe.key)}: {json.dumps(what)[:-1]}, "


def _tail(standing: Standing) -> str:
    """The fields of Standing and of its Answer: json.dumps takes some ten times as long, and there may be thousands."""
    up, since, row, joining = _word(standing.up), repr(standing.since), standing.row, _word(standing.joining)
    answer, said = standing.answer, "null"
    if answer is not None:
        words = json.dumps(answer.words)
        said = f'{{"passed": {_word(answer.passed)}, "words": {words}, "seconds": {answer.seconds!r}}}'
    return f'"up": {up}, "since": {since}, "row": {row}, "answer": {said}, "joining": {joining}}}'


def _word(value: bool) -> str:
    return "true" if value else "false"


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
