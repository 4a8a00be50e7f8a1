"""The throw-away kernel that other tests run on: output, exit status, isolation, and failures that say why."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import nullcontext, suppress
from pathlib import Path

import pytest

from support.tools.debs import NoDebs
from support.tools.project import ROOT
from support.vm import emulated, machine, uml
from support.vm.guest import GUEST_FAILED, Outcome
from support.vm.machine import FILE, Kernel, run, started
from support.vm.process import TIMED_OUT
from support.waiting import LID, until

pytestmark = pytest.mark.kernel


#: The Linux of the guest that one has who asks for this, where the machine's own kernel does not do.
GUESTS = {Kernel.ANY: uml.NEWER.linux, Kernel.NF_TABLES: emulated.LINUX}


@pytest.fixture(params=[None, Kernel.ANY, Kernel.NF_TABLES], ids=["own kernel", "user-mode guest", "emulated guest"])
def kernel(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Kernel:
    """Every kind of machine: what to ask for to have it. The oldest kernel is a guest as the newer one is."""
    monkeypatch.setattr(machine, "has_ipvs", lambda: request.param is None)
    return request.param or Kernel.ANY


@pytest.fixture(params=[Kernel.ANY, Kernel.NF_TABLES], ids=["user-mode", "emulated"])
def guest(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Kernel:
    """Every kind of guest, likewise."""
    monkeypatch.setattr(machine, "has_ipvs", lambda: False)
    assert isinstance(request.param, Kernel)
    return request.param


def test_output_status_and_files_come_back(kernel: Kernel, monkeypatch: pytest.MonkeyPatch) -> None:
    script = 'echo out; echo err >&2; id -u; pwd; echo "$HERE"; ip -o link | wc -l; ls /run/netns'
    script += f'; echo text > "${FILE}"; uname -r; exit 3'
    monkeypatch.setenv("HERE", "it's here")
    with started(["sh", "-c", script], kernel) as running:
        outcome = running.wait(LID)
        text = (running.control / "file").read_text()
    assert (outcome.status, outcome.trouble, text) == (3, "", "text\n")
    *said, linux = outcome.output.splitlines()
    assert said == ["out", "err", "0", os.getcwd(), "it's here", "1"]
    if not machine.has_ipvs():
        assert linux.startswith(f"{GUESTS[kernel]}.")


def test_the_oldest_kernel_is_that_which_is_stated() -> None:
    outcome = run(["uname", "-r"], LID, Kernel.OLDEST)
    assert (outcome.status, outcome.output.split(".")[:2]) == (0, uml.OLDEST.linux.split("."))


def test_a_command_that_hangs_is_ended_and_what_it_said_is_kept(
    kernel: Kernel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STARTED_BY", str(os.getpid()))
    hanging = [sys.executable, "-c", "import time; print('so far', flush=True); time.sleep(6000)"]
    with started(hanging, kernel) as running:
        until(lambda: "\n" in running.output or running.ended, "the command says something")
        outcome = running.wait(0)
    assert (outcome.status, outcome.output) == (TIMED_OUT, "so far\n")
    until(lambda: not _started_by_us(), "all processes are gone")


def _started_by_us() -> list[str]:
    """The names of processes whose environment says that this one started them."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if f"STARTED_BY={os.getpid()}".encode() in (process / "environ").read_bytes().split(b"\0"):
                found.append((process / "comm").read_text().strip())
    return found


def test_nothing_that_the_guest_writes_stays(guest: Kernel, tmp_path: Path) -> None:
    assert run(["touch", str(tmp_path / "file")], LID, guest) == Outcome(0, "")
    assert list(tmp_path.iterdir()) == []


def test_a_kernel_that_cannot_be_had_is_said(guest: Kernel, monkeypatch: pytest.MonkeyPatch) -> None:
    def none(*_: str) -> Path:
        raise NoDebs("no network")

    for kind in (uml, emulated):
        monkeypatch.setattr(kind, "unpacked", none)
    monkeypatch.delenv("SVCC_VM_KERNEL", raising=False)
    words = "no emulated Linux: no network\n" if guest is Kernel.NF_TABLES else "no user-mode Linux: no network\n"
    assert run(["true"], LID, guest) == Outcome(GUEST_FAILED, "", words)


def test_a_guest_that_fails_shows_its_console(guest: Kernel, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A guest whose init gives up: it ends, and the test run goes on."""
    broken = tmp_path / "init.sh"
    broken.write_text('#!/bin/sh\n. "${0%/*}/settings"\necho "I cannot go on" >/dev/console\n$STOP\n')
    monkeypatch.setattr("support.vm.guest.INIT", broken)
    outcome = run(["true"], LID, guest)
    assert outcome.status == GUEST_FAILED
    assert "its console:" in outcome.trouble


def test_only_a_kernel_with_all_that_is_asked_for_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    """This machine's own, with IPVS, but without nf_tables; and it is not asked whether it is the oldest."""
    monkeypatch.setattr(machine, "has_ipvs", lambda: True)
    monkeypatch.setattr(machine, "has_nf_tables", lambda: False)
    monkeypatch.setattr(machine, "_on_own_kernel", lambda *_: nullcontext("own"))
    monkeypatch.setattr(machine, "emulated", lambda: "emulated")
    monkeypatch.setattr(machine, "user_mode", lambda release: release.debian)
    monkeypatch.setattr(machine, "started_on", lambda guest, *_: nullcontext(guest))
    found = []
    for kernel in Kernel:
        with started(["true"], kernel) as running:
            found.append(str(running))
    assert found == ["own", "bookworm", "emulated"]


# ---- the tests of a machine


_CONFTEST = """
from support.vm import machine, plugin

pytest_plugins = ["support.vm.plugin"]
machine.has_ipvs = lambda: False
plugin.LIDS[machine.Kernel.ANY] = 5
plugin.GRACE = 25
"""
_TESTS = """
import ctypes, os, time
import pytest

pytestmark = pytest.mark.vm

def test_before(): pass

def test_fails(): raise AssertionError("as it should")

def test_is_slow(): time.sleep(6000)

def test_ends_the_machine():
    ctypes.CDLL(None).reboot(0xCDEF0123)  # RB_HALT_SYSTEM
    time.sleep(6000)

def test_between(): pass

def test_stops_all_that_could_end_it():
    print("nothing is heard of this")
    os.kill(os.getpid(), 19)

def test_after(): pass
"""


def test_what_ends_or_stops_the_machine_fails_alone(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text(_CONFTEST)
    (tmp_path / "test_some.py").write_text(_TESTS)
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    command = [sys.executable, "-m", "pytest", "-rA", "-p", "no:cacheprovider", "test_some.py"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "tests"), "PYTHONSAFEPATH": ""}
    environment.pop("CI", None)  # with it, pytest's summary says all of each failure once more
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    words = [line.split(" - ", 1) for line in done.stdout.splitlines() if line.startswith(("PASSED", "FAILED"))]
    assert sorted(line[0].replace(" test_some.py::test_", " ") for line in words) == [
        "FAILED ends_the_machine",
        "FAILED fails",
        "FAILED is_slow",
        "FAILED stops_all_that_could_end_it",
        "PASSED after",
        "PASSED before",
        "PASSED between",
    ], done.stdout
    assert "the machine has said nothing for" in done.stdout
    assert done.stdout.count("the machine ended or hung during this test") == 2
