"""The agent's record of its endpoints' health in STATE/NAME/health.jsonl, for its next start and for other commands.

Each line is a JSON object: the first one has the version, and each of the others has a probe's standing, or says that
the probe is gone. Now and then the file is written anew with all standings. A probe that comes up or goes down is
appended, and the last line of a probe counts. So the time of a write does not depend on how many probes there are.

The record goes together with the generation in place. Whatever else than an agent puts another one there removes it
(`Installation.forget_health`).
"""

from __future__ import annotations

import json
import math
import os
from collections import deque
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from svcc.agent.health import Health, Standing
from svcc.agent.probe import Answer, Probe
from svcc.apply import files
from svcc.apply.installation import Installation
from svcc.compiler.files import named

_FIRST = '{"version": 2}\n'
#: How many lines are made in one go. Other threads wait no longer than that takes, which is less than a millisecond.
_PIECE = 100
#: So many lines may be appended before all is written anew, however few probes there are.
_SHORT = 100
#: Seconds since 1970 that no clock shows: the end of the year 9999.
_NEVER = 253_402_300_800.0


@dataclass(frozen=True, slots=True)
class Noted:
    """A probe's recorded state: its name, what it asks, which services use it, and its standing."""

    name: str
    address: str
    port: int
    services: tuple[str, ...]
    standing: Standing


@dataclass(frozen=True, slots=True)
class _Left:
    """The state of the file when this process wrote it last."""

    path: Path
    device: int
    inode: int
    size: int

    @classmethod
    def of(cls, path: Path, handle: int) -> _Left:
        found = os.fstat(handle)
        return cls(path, found.st_dev, found.st_ino, found.st_size)


class Writer:
    """Writes the standings again and again. The JSON of what does not change of a probe is made once.

    One thread at a time uses it, except for :meth:`turned`.
    """

    def __init__(self) -> None:
        self._heads: dict[Probe, str] = {}
        self._users: Mapping[Probe, Collection[str]] = {}  # the users that `_heads` was made from
        self._turned: deque[Probe] = deque()  # probes of which something is to be written
        self._left: _Left | None = None  # the file, if lines can be appended to it
        self._appended = 0  # how many lines, since all standings were written

    @property
    def appended(self) -> bool:
        """Whether anything was appended since all standings were written."""
        return self._appended > 0

    @property
    def waits(self) -> bool:
        """Whether anything is to be written."""
        return bool(self._turned)

    @property
    def long(self) -> bool:
        """Whether more was appended since all standings were written than these take."""
        return self._appended > max(_SHORT, len(self._heads))

    def turned(self, probe: Probe) -> None:
        """Note that a probe came up or went down, or what it answered: it is written the next time. Called in any
        thread."""
        self._turned.append(probe)

    def write(self, installation: Installation, health: Health) -> None:
        """Append what changed since the last time: probes that came up or went down, new probes and those that are
        gone.

        Errors: OSError; all standings are written the next time then. A killed process loses nothing, since the kernel
        has the lines already. A machine that loses its power may lose any of them, and its agent finds out again.
        """
        changed, gone = self._follow(health.users)
        while self._turned:
            changed[self._turned.popleft()] = None
        if len(changed) + len(gone) > len(self._heads):
            self.write_all(installation, health)
            return
        lines = [f'{{"key": {json.dumps(probe.key)}, "gone": true}}\n' for probe in gone]
        lines += self._lines(health, changed)
        if self._append(installation.health, "".join(lines).encode()):
            self._appended += len(lines)
        else:
            self.write_all(installation, health)

    def write_all(self, installation: Installation, health: Health) -> None:
        """Write all standings to a new file. Errors: OSError."""
        self._left = None
        self._turned.clear()
        self._follow(health.users)
        path = installation.health
        files.make_directory(path.parent)
        with files.replacing(path, lasting=False, whole=False) as file:
            file.write(_FIRST.encode())
            probes = iter([*health.standings])
            while piece := [*islice(probes, _PIECE)]:
                file.write("".join(self._lines(health, piece)).encode())
                file.flush()
            left = _Left.of(path, file.fileno())  # `replacing` gives it its name when the block ends
        self._left, self._appended = left, 0

    def _lines(self, health: Health, probes: Collection[Probe]) -> Iterator[str]:
        """Yield the lines of these probes, without those that are not followed."""
        for probe in probes:
            standing, head = health.standings.get(probe), self._heads.get(probe)
            if standing is not None and head is not None:
                yield f"{head}{_tail(standing)}\n"

    def _append(self, path: Path, data: bytes) -> bool:
        """Append to the file, if it is as this process left it. Return whether it was, and all was written."""
        left, self._left = self._left, None
        if left is None or left.path != path:
            return False
        try:
            handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError:
            return False
        try:
            with named(path):
                if _Left.of(path, handle) != left or os.write(handle, data) != len(data):
                    return False
        finally:
            os.close(handle)
        self._left = _Left(path, left.device, left.inode, left.size + len(data))
        return True

    def _follow(self, users: Mapping[Probe, Collection[str]]) -> tuple[dict[Probe, None], Collection[Probe]]:
        """Return the probes that are new or have other users, and those that are gone."""
        before, self._users = self._users, users
        if before is users:
            return {}, ()
        changed = dict.fromkeys(probe for probe, some in users.items() if before.get(probe) is not some)
        gone = before.keys() - users.keys()
        for probe in gone:
            del self._heads[probe]
        self._heads.update((probe, _head(probe, users[probe])) for probe in changed)
        return changed, gone


def _head(probe: Probe, users: Collection[str]) -> str:
    """Return the beginning of a probe's line: all but its standing."""
    what = {
        "key": probe.key,
        "name": str(probe),
        "address": str(probe.address),
        "port": probe.port,
        "services": [*users],
    }
    return f"{json.dumps(what)[:-1]}, "


def _tail(standing: Standing) -> str:
    """Return the end of a probe's line: the fields of Standing and of its Answer. json.dumps takes some ten times as
    long, and there may be thousands of lines."""
    up, since, row, joining = _word(standing.up), repr(standing.since), standing.row, _word(standing.joining)
    answer, said = standing.answer, "null"
    if answer is not None:
        words = json.dumps(answer.words)
        said = f'{{"passed": {_word(answer.passed)}, "words": {words}, "seconds": {answer.seconds!r}}}'
    return f'"up": {up}, "since": {since}, "row": {row}, "answer": {said}, "joining": {joining}}}'


def _word(value: bool) -> str:
    return "true" if value else "false"


def read(installation: Installation) -> dict[str, Noted]:
    """Return what was recorded, by the keys of probes.

    Lines that are damaged or half written are left out; so are all lines, where the first one has another version: the
    agent finds out again.
    """
    try:
        first, *lines = installation.health.read_bytes().split(b"\n")
    except OSError:
        return {}
    if first != _FIRST.encode().strip():
        return {}
    found: dict[str, Noted] = {}
    for line in lines:
        try:
            data = json.loads(line.decode())
            key = str(data["key"])
            noted = None if data.get("gone") else _from_json(data)
        except (ValueError, LookupError, TypeError, AttributeError, OverflowError, RecursionError):
            continue
        if noted is None:
            found.pop(key, None)
        else:
            found[key] = noted
    return found


def _from_json(data: Any) -> Noted:
    """Return the recorded state of a line. Errors: ValueError, LookupError, TypeError, OverflowError."""
    said, since, row = data["answer"], float(data["since"]), int(data["row"])
    answer = None if said is None else Answer(bool(said["passed"]), str(said["words"]), float(said["seconds"]))
    if not 0 <= since < _NEVER or row < 0 or not math.isfinite(0.0 if answer is None else answer.seconds):
        raise ValueError("no clock and no agent says that")
    standing = Standing(bool(data["up"]), since, row, answer, bool(data["joining"]))
    services = tuple(map(str, data["services"]))
    return Noted(str(data["name"]), str(data["address"]), int(data["port"]), services, standing)
