"""The throw-away kernel that other tests run on: output, exit status, isolation, and failures that say why."""

from __future__ import annotations

import json
import os
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest
from vm import machine, plugin
from vm.guest import GUEST_FAILED, NoKernelError, Outcome
from vm.machine import run, run_with_file
from vm.process import TIMED_OUT

pytestmark = pytest.mark.kernel

#: Seconds in which a guest has started and said something, however busy the machine is.
PATIENCE = 20


@pytest.fixture(params=["own kernel", "guest"])
def _kernels(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "has_ipvs", lambda: request.param == "own kernel")


@pytest.mark.usefixtures("_kernels")
def test_output_status_and_files_come_back(monkeypatch: pytest.MonkeyPatch) -> None:
    script = 'echo out; echo err >&2; id -u; pwd; echo "$HERE"; ip -o link | wc -l; ls /run/netns'
    script += '; echo text > "$FILE"; exit 3'
    monkeypatch.setenv("HERE", "it's here")
    outcome, text = run_with_file(["sh", "-c", script], 60, "FILE")
    assert (outcome.status, outcome.trouble, text) == (3, "", "text\n")
    assert outcome.output.splitlines() == ["out", "err", "0", os.getcwd(), "it's here", "1"]


@pytest.mark.usefixtures("_kernels")
def test_a_command_that_hangs_is_ended_and_what_it_said_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STARTED_BY", str(os.getpid()))
    outcome = run([sys.executable, "-c", "import time; print('so far', flush=True); time.sleep(600)"], PATIENCE)
    assert (outcome.status, outcome.output) == (TIMED_OUT, "so far\n")
    deadline = time.monotonic() + 5  # a process that was killed takes a moment to go
    while _started_by_us() and time.monotonic() < deadline:
        time.sleep(0.1)
    assert _started_by_us() == []


def _started_by_us() -> list[str]:
    """The names of processes whose environment says that this one started them."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if f"STARTED_BY={os.getpid()}".encode() in (process / "environ").read_bytes().split(b"\0"):
                found.append((process / "comm").read_text().strip())
    return found


def test_nothing_that_the_guest_writes_stays(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(machine, "has_ipvs", lambda: False)
    assert run(["touch", str(tmp_path / "file")], 60) == Outcome(0, "")
    assert list(tmp_path.iterdir()) == []


def test_a_kernel_that_cannot_be_had_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def none() -> None:
        raise NoKernelError("no user-mode Linux: no network")

    monkeypatch.setattr(machine, "has_ipvs", lambda: False)
    monkeypatch.setattr(machine, "kernel", none)
    assert run(["true"], 60) == Outcome(GUEST_FAILED, "", "no user-mode Linux: no network\n")


def test_a_guest_that_fails_shows_its_console(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A guest whose init cannot find its settings: it ends, and the test run goes on."""
    monkeypatch.setattr(machine, "has_ipvs", lambda: False)
    broken = tmp_path / "init.sh"
    broken.write_text("#!/bin/sh\necho 'I cannot go on' >/dev/console\nhalt -f -f\n")
    monkeypatch.setattr(machine, "INIT", broken)
    outcome = run(["true"], 60)
    assert outcome.status == GUEST_FAILED
    assert "its console:" in outcome.trouble


def test_a_test_that_the_machine_does_not_reach_fails(request: pytest.FixtureRequest) -> None:
    report = plugin._missing(request.node, Outcome(TIMED_OUT, "so far", "the guest ran past 540 s"))
    assert report.failed
    assert report.longreprtext.splitlines()[1:] == ["the guest ran past 540 s", "so far"]


def test_a_report_that_was_being_written_is_left_out(request: pytest.FixtureRequest) -> None:
    whole = json.dumps(plugin._missing(request.node, Outcome(0, ""))._to_json())
    assert [report.nodeid for report in plugin._read(f"{whole}\n{whole[:40]}")] == [request.node.nodeid]
