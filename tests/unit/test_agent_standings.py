"""The agent's record of its endpoints' health, and what is read from it, whole or damaged."""

from __future__ import annotations

import errno
import json
import os
import random
import subprocess
import sys
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from support.agent_notes import BAD, GOOD, Notes, program
from support.tools.project import ROOT
from svcc.agent.probe import Answer
from svcc.agent.standings import Noted
from svcc.compiler import ir

_PROGRAMS = (
    program(web=[1, 2, 3]),
    program(web=[1, 2, 3], db=[2, 3, 4]),
    program(db=[3, 4]),
    program(web=[*range(1, 12)], db=[4]),
)


@pytest.fixture
def notes(tmp_path: Path) -> Notes:
    return Notes(tmp_path)


class _Noting(RuleBasedStateMachine):
    """Whatever comes, goes, turns and is damaged: what was noted last is what is read."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = TemporaryDirectory()
        self.notes = Notes(Path(self.folder.name))
        self.notes.follow(_PROGRAMS[0])

    @rule(program=st.sampled_from(_PROGRAMS))
    def follow(self, program: ir.Program) -> None:
        self.notes.follow(program)

    @rule(data=st.data(), answer=st.sampled_from((GOOD, BAD)))
    def hear(self, data: st.DataObject, answer: Answer) -> None:
        self.notes.hear(data.draw(st.sampled_from([*self.notes.health.standings])), answer)

    @rule()
    def write(self) -> None:
        self.notes.write()
        found = self.notes.read()
        assert {key: _without_answer(one) for key, one in found.items()} == {
            key: _without_answer(one) for key, one in self.notes.stands().items()
        }

    @rule()
    def write_all(self) -> None:
        self.notes.write_all()
        assert self.notes.read() == self.notes.stands()

    @rule(how=st.sampled_from(("remove", "cut", "append", "replace")))
    def somebody_is_at_the_file(self, how: str) -> None:
        path = self.notes.path
        with suppress(FileNotFoundError):
            data = path.read_bytes()
            path.unlink()
            if how != "remove":
                path.write_bytes({"cut": data[: len(data) // 2], "append": data + b"{\n", "replace": data}[how])

    @invariant()
    def it_is_ours_alone(self) -> None:
        assert [one.name for one in self.notes.path.parent.glob(".*")] == []

    def teardown(self) -> None:
        self.folder.cleanup()


TestNoting = _Noting.TestCase


def _without_answer(one: Noted) -> Noted:
    """What has to be noted before the kernel changes."""
    return replace(one, standing=replace(one.standing, answer=None, row=0))


def test_what_comes_up_or_goes_down_is_a_line_however_many_probes_there_are(notes: Notes) -> None:
    notes.follow(program(web=[*range(1, 200)]))
    for probe in [*notes.health.standings]:
        notes.hear(probe, GOOD)
    notes.write()
    before, whole = notes.path.stat().st_ino, notes.path.read_bytes()
    appended = [notes.writer.appended]
    down = [*notes.health.standings][7]
    notes.hear(down, BAD)
    notes.write()
    assert [*appended, notes.writer.appended] == [False, True]
    assert notes.path.stat().st_ino == before
    line = notes.path.read_bytes().removeprefix(whole)
    assert line.count(b"\n") == 1
    assert json.loads(line)["name"] == str(down)
    assert notes.read() == notes.stands()
    notes.write()
    assert notes.path.read_bytes() == whole + line


def test_however_often_answers_are_noted_the_record_stays_short(notes: Notes) -> None:
    notes.follow(_PROGRAMS[0])
    notes.write()
    probe = next(iter(notes.health.standings))
    for number in range(1000):
        notes.health.hear(probe, Answer(False, f"answer {number}", 0.001), 0.0)
        notes.writer.turned(probe)
        assert notes.writer.waits
        notes.write_all() if notes.writer.long else notes.write()
        assert not notes.writer.waits
    assert notes.path.read_bytes().count(b"\n") <= 105
    assert notes.read() == notes.stands()


def _noted_often(notes: Notes) -> list[tuple[int, dict[str, Noted]]]:
    """Notes that are all in one file: how long it was after each, and what there was to be noted."""
    found = []

    def note() -> None:
        notes.write()
        found.append((notes.path.stat().st_size, notes.stands()))

    notes.follow(_PROGRAMS[0])
    note()
    first, second, third = notes.health.standings
    notes.hear(first, GOOD)
    notes.hear(second, GOOD)
    note()
    notes.hear(second, BAD)
    note()
    notes.follow(_PROGRAMS[1])
    note()
    notes.hear(third, GOOD)
    notes.hear(first, BAD)
    note()
    return found


def test_a_file_that_ends_anywhere_says_what_is_whole_in_it(notes: Notes) -> None:
    noted = _noted_often(notes)
    data = notes.path.read_bytes()
    assert noted[-1][0] == len(data), "all of it is one file"
    before: dict[str, Noted] = {}
    begin = 0
    for end, after in noted:
        for size in range(begin, end):
            notes.path.write_bytes(data[:size])
            found = notes.read()
            assert all(one in (before.get(key), after.get(key)) for key, one in found.items()), size
            assert before.items() & after.items() <= found.items(), size
        notes.path.write_bytes(data[:end])
        assert notes.read() == after
        before, begin = after, end


@given(st.integers(0), st.integers(1, 600), st.sampled_from((b"\0", b"\xff", b"{", b"7", b'"')))
def test_what_is_damaged_is_not_there_and_the_rest_is(at: int, size: int, byte: bytes) -> None:
    """Of a file that is written at once, so that each line counts; its first line is whole."""
    with TemporaryDirectory() as folder:
        notes = Notes(Path(folder))
        notes.follow(_PROGRAMS[1])
        notes.write()
        data, wanted = notes.path.read_bytes(), notes.stands()
        first = data.index(b"\n") + 1
        begin = first + at % (len(data) - first)
        damaged = data[:begin] + byte * min(size, len(data) - begin) + data[begin + size :]
        notes.path.write_bytes(damaged)
        whole = {json.loads(line)["key"] for line in data.splitlines()[1:] if line in damaged.split(b"\n")}
        found = notes.read()
        assert {key: found[key] for key in whole} == {key: wanted[key] for key in whole}


@given(st.lists(st.one_of(st.binary(), st.text().map(lambda text: json.dumps({"key": text, "gone": text}).encode()))))
def test_whatever_is_in_the_file_it_is_read(lines: list[bytes]) -> None:
    with TemporaryDirectory() as folder:
        notes = Notes(Path(folder))
        notes.write()
        notes.path.write_bytes(b"\n".join([notes.path.read_bytes().strip(), *lines]))
        assert notes.read() == {}


@pytest.mark.parametrize(
    "field",
    [{"since": 1e300}, {"since": -1.0}, {"since": float("nan")}, {"row": -1}, {"row": float("inf")}, {"answer": {}},
     {"services": None}, {"port": "x"}, {"answer": {"passed": True, "words": "", "seconds": float("inf")}}],
)  # fmt: skip
def test_what_no_agent_notes_is_not_known(notes: Notes, field: dict[str, object]) -> None:
    notes.follow(program(web=[1]))
    notes.write()
    first, line = notes.path.read_text().splitlines()
    notes.path.write_text(f"{first}\n{json.dumps({**json.loads(line), **field})}\n")
    assert notes.read() == {}


def test_a_file_of_another_version_is_not_known(notes: Notes) -> None:
    notes.follow(_PROGRAMS[0])
    notes.write()
    notes.path.write_text(notes.path.read_text().replace('"version": 2', '"version": 3'))
    assert notes.read() == {}


def test_a_full_disk_loses_nothing_that_was_noted(notes: Notes, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is not appended is told, and what is half appended is in the next file."""
    notes.follow(_PROGRAMS[0])
    notes.write()
    before, probe = notes.stands(), next(iter(notes.health.standings))
    notes.hear(probe, GOOD)
    real = os.write
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", lambda handle, data: real(handle, data[: len(data) // 2]))
        patch.setattr(os, "replace", _raise)
        with pytest.raises(OSError, match="No space left"):
            notes.write()
    assert notes.read() == before
    notes.write()
    assert notes.read() == notes.stands()


def _raise(*_: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


#: Turns one endpoint after another, and says how often it noted that; every seventh time in a new file.
_NOTING = """
import sys
from pathlib import Path
from support.agent_notes import Notes, program
notes = Notes(Path(sys.argv[1]))
notes.follow(program(web=[*range(1, 40)]))
probes = [*notes.health.standings]
for number in range(1_000_000):
    notes.turn(probes[number % len(probes)])
    notes.write_all() if number % 7 == 0 else notes.write()
    print(number, flush=True)
"""


def test_who_is_killed_at_any_moment_loses_nothing_that_was_noted(tmp_path: Path) -> None:
    chance = random.Random(8)
    for number in range(5):
        words = [sys.executable, "-P", "-c", _NOTING, str(tmp_path / str(number))]
        environment = {**os.environ, "PYTHONPATH": str(ROOT / "tests")}
        with subprocess.Popen(words, stdout=subprocess.PIPE, env=environment) as noting:
            assert noting.stdout is not None
            said = [noting.stdout.readline() for _ in range(chance.randrange(1, 300))]
            noting.kill()
            said += noting.stdout.readlines()
        last = int([line for line in said if line.endswith(b"\n")][-1])
        turned = [turn + 2.0 for turn in range(max(0, last - 38), last + 1)]  # each of another probe
        found = sorted(one.standing.since for one in Notes(tmp_path / str(number)).read().values())
        assert len(found) == 39
        assert all(since >= known for since, known in zip(found[-len(turned) :], turned, strict=True))
