"""Running the system's tools: their output, their failures, and that none runs longer than it may."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from support.waiting import until
from svcc.apply.scope import Scope
from svcc.kernel import tools
from svcc.kernel.ipset.reading import read_sets
from svcc.kernel.link.reading import links
from svcc.kernel.steps import StepError, ToolEnd
from svcc.kernel.xtables import variant


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
    running, group = _begun(folder, script)
    monkeypatch.setattr(running, "_deadline", 0.0)  # not before it began, which may take any time
    done = running.ended
    assert done.error("part").end is ToolEnd.LATE
    assert done.words == "thing did not end within 90 s, and was ended"
    _until_gone(group)


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
    running, group = _begun(folder, "sleep 1000")
    del running
    _until_gone(group)


def test_all_that_run_can_be_ended_at_once(folder: Path) -> None:
    _tool(folder, "sleep 1000")
    running = [tools.Running(["thing"]) for _ in range(3)]
    tools.end_all()
    assert [one.ended.words for one in running] == ["thing was killed by SIGKILL"] * 3


@pytest.mark.parametrize("script", ["yes | head -c 2000000; sleep 1000", "(yes | head -c 2000000 >&2) & sleep 1000"])
def test_what_prints_too_much_is_ended(folder: Path, script: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tools, "_PRINTED", 1 << 20)
    _tool(folder, script)
    with pytest.raises(StepError, match="thing printed more than 1 MiB, and was ended"):
        tools.read("part", ["thing"])


_OURS = Scope("CUSTOM")
_LISTINGS: dict[str, Callable[[], object]] = {
    "ip": links,
    "iptables-nft-save": lambda: variant.saved("iptables", "nft", _OURS),
    "ipset": lambda: read_sets(_OURS),
}


@pytest.mark.parametrize(
    ("name", "script"),
    [
        ("ip", "echo garbage"),
        ("ip", "printf '\\377\\000'"),
        ("ip", "echo '{}'"),
        ("ip", "echo '[{\"ifname\": 1}]'"),
        ("ip", "head -c 100000 /dev/zero | tr '\\0' '['"),
        ("iptables-nft-save", "echo garbage"),
        ("iptables-nft-save", "echo '*nat'; echo ':CUSTOM-x'"),
        ("ipset", "echo CUSTOM-x"),
    ],
)
def test_what_no_such_tool_prints_is_an_error_of_the_tool(
    folder: Path, name: str, script: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(variant, "has_nft_tables", lambda _: True)  # without any, the tool is not asked
    _tool(folder, script)
    (folder / "thing").rename(folder / name)
    with pytest.raises(StepError, match="printed what svcc cannot read") as caught:
        _LISTINGS[name]()
    assert caught.value.reading


def _begun(folder: Path, script: str) -> tuple[tools.Running, int]:
    """A tool that is at work, and its process group."""
    _tool(folder, f"echo $$ > {folder}/group; {script}")
    running, group = tools.Running(["thing"]), folder / "group"
    until(lambda: group.exists() and group.read_text().endswith("\n"), "the tool has begun")
    return running, int(group.read_text())


def _until_gone(group: int) -> None:
    """Wait until no process of a group is left but such as are dead, and wait for their parent."""
    until(lambda: not any(number == group and state != "Z" for state, number in _processes()), "the group is gone")


def _processes() -> Iterator[tuple[str, int]]:
    """The state and the process group of each (proc_pid_stat(5)). Any may end while it is looked at."""
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            state, _, group, *_ = path.read_text().rsplit(")", 1)[1].split()
            yield state, int(group)
