"""The throw-away kernel that other tests run on: output, exit status, isolation, and failures that say why."""

from __future__ import annotations

import json
import os
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest
from tools.debs import NoDebs
from vm import emulated, machine, plugin, uml
from vm.guest import GUEST_FAILED, Outcome
from vm.machine import run, run_with_file
from vm.process import TIMED_OUT

pytestmark = pytest.mark.kernel

#: Seconds in which a guest has started and said something, however busy the machine is: without nf_tables, and with.
PATIENCE = {False: 10, True: 35}


@pytest.fixture(params=["own kernel", "user-mode guest", "emulated guest"])
def nf_tables(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Every kind of machine: what to ask for to have it."""
    monkeypatch.setattr(machine, "has_ipvs", lambda: request.param == "own kernel")
    return bool(request.param == "emulated guest")


@pytest.fixture(params=[False, True], ids=["user-mode", "emulated"])
def guest(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Every kind of guest, likewise."""
    monkeypatch.setattr(machine, "has_ipvs", lambda: False)
    return bool(request.param)


def test_output_status_and_files_come_back(nf_tables: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    script = 'echo out; echo err >&2; id -u; pwd; echo "$HERE"; ip -o link | wc -l; ls /run/netns'
    script += '; echo text > "$FILE"; exit 3'
    monkeypatch.setenv("HERE", "it's here")
    outcome, text = run_with_file(["sh", "-c", script], 120, "FILE", nf_tables=nf_tables)
    assert (outcome.status, outcome.trouble, text) == (3, "", "text\n")
    assert outcome.output.splitlines() == ["out", "err", "0", os.getcwd(), "it's here", "1"]


def test_a_command_that_hangs_is_ended_and_what_it_said_is_kept(
    nf_tables: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STARTED_BY", str(os.getpid()))
    hanging = [sys.executable, "-c", "import time; print('so far', flush=True); time.sleep(600)"]
    outcome = run(hanging, PATIENCE[nf_tables], nf_tables=nf_tables)
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


def test_nothing_that_the_guest_writes_stays(guest: bool, tmp_path: Path) -> None:
    assert run(["touch", str(tmp_path / "file")], 120, nf_tables=guest) == Outcome(0, "")
    assert list(tmp_path.iterdir()) == []


def test_a_kernel_that_cannot_be_had_is_said(guest: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    def none(*_: str) -> Path:
        raise NoDebs("no network")

    for kind in (uml, emulated):
        monkeypatch.setattr(kind, "unpacked", none)
    monkeypatch.delenv("SVCC_VM_KERNEL", raising=False)
    words = "no emulated Linux: no network\n" if guest else "no user-mode Linux: no network\n"
    assert run(["true"], 60, nf_tables=guest) == Outcome(GUEST_FAILED, "", words)


def test_a_guest_that_fails_shows_its_console(guest: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A guest whose init gives up: it ends, and the test run goes on."""
    broken = tmp_path / "init.sh"
    broken.write_text('#!/bin/sh\n. "${0%/*}/settings"\necho "I cannot go on" >/dev/console\n$STOP\n')
    monkeypatch.setattr("vm.guest.INIT", broken)
    outcome = run(["true"], 120, nf_tables=guest)
    assert outcome.status == GUEST_FAILED
    assert "its console:" in outcome.trouble


def test_only_a_kernel_with_all_that_is_asked_for_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    """This machine's own, with IPVS, but without nf_tables."""
    monkeypatch.setattr(machine, "has_ipvs", lambda: True)
    monkeypatch.setattr(machine, "has_nf_tables", lambda: False)
    monkeypatch.setattr(machine, "_on_own_kernel", lambda *_: Outcome(0, "own"))
    monkeypatch.setattr(machine, "emulated", lambda: None)
    monkeypatch.setattr(machine, "run_on", lambda *_: Outcome(0, "emulated"))
    assert [run(["true"], 1, nf_tables=asked).output for asked in (False, True)] == ["own", "emulated"]


def test_a_test_that_the_machine_does_not_reach_fails(request: pytest.FixtureRequest) -> None:
    report = plugin._missing(request.node, Outcome(TIMED_OUT, "so far", "the guest ran past 540 s"))
    assert report.failed
    assert report.longreprtext.splitlines()[1:] == ["the guest ran past 540 s", "so far"]


def test_a_report_that_was_being_written_is_left_out(request: pytest.FixtureRequest) -> None:
    whole = json.dumps(plugin._missing(request.node, Outcome(0, ""))._to_json())
    assert [report.nodeid for report in plugin._read(f"{whole}\n{whole[:40]}")] == [request.node.nodeid]
