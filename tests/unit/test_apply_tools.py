"""Running the system's tools: what they print, how they fail, and that none runs longer than it may."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from svcc.kernel import tools
from svcc.kernel.steps import StepError, ToolEnd


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    return tmp_path


def _tool(folder: Path, script: str) -> None:
    (folder / "thing").write_text(f"#!/bin/sh\n{script}\n")
    (folder / "thing").chmod(0o755)


def test_input_output_and_errors_are_kept_apart(folder: Path) -> None:
    _tool(folder, "cat; echo word >&2")
    text = "".join(f"line {number}\n" for number in range(100_000))
    assert tools.run(["thing"], text) == tools.Done("thing", 0, text.encode(), "word\n")


def test_without_input_there_is_none(folder: Path) -> None:
    _tool(folder, "cat")
    assert tools.run(["thing"]) == tools.Done("thing", 0, b"", "")


@pytest.mark.parametrize(
    ("script", "end", "words"),
    [
        ("echo '  no,\n  never ' >&2; exit 2", ToolEnd.REFUSED, "no, never"),
        ("echo never; exit 2", ToolEnd.REFUSED, "never"),
        ("exit 2", ToolEnd.REFUSED, "thing: exit status 2"),
        ("kill -SEGV $$", ToolEnd.DIED, "thing was killed by SIGSEGV"),
        ("echo oh >&2; kill -KILL $$", ToolEnd.DIED, "thing was killed by SIGKILL: oh"),
    ],
)
def test_a_failure_is_worded_in_one_place(folder: Path, script: str, end: ToolEnd, words: str) -> None:
    _tool(folder, script)
    error = tools.run(["thing"]).error("part")
    assert (error.end, str(error)) == (end, f"part: {words}")


def test_a_tool_that_is_not_there_is_an_error() -> None:
    with pytest.raises(StepError) as caught:
        tools.attempt("part", ["no-such-tool"])
    assert (caught.value.end, str(caught.value)) == (ToolEnd.MISSING, "part: no-such-tool is not installed")


@pytest.mark.parametrize("script", ["sleep 1000", "sleep 1000 & wait", "trap '' TERM; sleep 1000 & wait; wait"])
def test_what_hangs_is_ended_with_all_that_it_began(folder: Path, script: str, monkeypatch: pytest.MonkeyPatch) -> None:
    _tool(folder, f"echo $$ > {folder}/group; {script}")
    monkeypatch.setattr(tools, "LIMIT", 0.3)
    monkeypatch.setattr(tools, "_GRACE", 0.3)
    done = tools.run(["thing"])
    assert done.error("part").end is ToolEnd.LATE
    assert done.words == "thing did not end within 0 s, and was ended"
    assert _gone(int((folder / "group").read_text()))


def test_a_tool_that_ends_well_only_when_it_is_ended_has_failed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _tool(folder, "trap 'exit 0' TERM; sleep 1000 & wait")
    monkeypatch.setattr(tools, "LIMIT", 0.3)
    assert tools.run(["thing"]).returncode < 0


def test_much_input_gives_a_tool_more_time(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _tool(folder, "sleep 1; cat >/dev/null")
    monkeypatch.setattr(tools, "LIMIT", 0.0)
    monkeypatch.setattr(tools, "BYTES_PER_SECOND", 1)
    assert tools.run(["thing"], "x" * 100).returncode == 0


def test_what_nobody_waits_for_is_ended(folder: Path) -> None:
    _tool(folder, f"echo $$ > {folder}/group; sleep 1000")
    running = tools.Running(["thing"])
    while not (folder / "group").exists() or not (folder / "group").read_text():
        time.sleep(0.01)
    del running
    assert _gone(int((folder / "group").read_text()))


def test_all_that_run_can_be_ended_at_once(folder: Path) -> None:
    _tool(folder, "sleep 1000")
    running = [tools.Running(["thing"]) for _ in range(3)]
    tools.end_all()
    assert [one.ended.words for one in running] == ["thing was killed by SIGKILL"] * 3


def _gone(group: int) -> bool:
    """Whether no process of a group is left but such as are dead, and wait for their parent."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        states = [
            path.read_text().rsplit(")", 1)[1].split() for path in Path("/proc").glob("[0-9]*/stat") if path.exists()
        ]
        if not any(int(fields[2]) == group and fields[0] != "Z" for fields in states):
            return True
        time.sleep(0.05)
    return False
