"""A pytest plugin that runs tests marked ``vm`` on a kernel with IPVS, in one boot for the whole session if possible.

A pytest inside the machine sets up their fixtures and runs them. The pytest outside sets up nothing, and passes on the
reports of the one inside. Tests marked ``vm(oldest=True)`` or ``vm(nf_tables=True)`` run in the same way on other
machines, at the same time.

A test that ends its machine, or that hangs so that the pytest inside cannot end it, is the only one that fails: the
tests after it run in a fresh boot.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from support.tools.debs import NoDebs, unpacked
from support.vm.guest import GUEST_FAILED, NoKernelError, Outcome, Running
from support.vm.machine import FILE, Kernel, started

#: How many seconds a test may take on a machine, by what the machine has: many times what any test needs.
LIDS = {Kernel.ANY: 900, Kernel.OLDEST: 900, Kernel.NF_TABLES: 1800}
#: After this many seconds without news from the machine, beyond the limit of a test, the whole machine hangs.
GRACE = 120
#: How many seconds a machine may take until its first test begins.
BOOT = 1200
#: Debian's package that tests on a machine use, and its release. It is fetched before: a machine reaches no mirror.
_ETCD = ("bookworm", "etcd-server")
_GLANCE = 0.05
_MACHINES = pytest.StashKey[dict[Kernel, "Machine"]]()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Outside, take away the time limits of tests that run on a machine, where the pytest inside limits them. Sort
    tests by machine.
    """
    if FILE in os.environ:
        return
    for item in items:
        if _machine_of(item) is not None:
            item.add_marker(pytest.mark.timeout(0), append=False)
    items.sort(key=lambda item: [None, *Kernel].index(_machine_of(item)))


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> bool | None:
    kind = _machine_of(item)
    if FILE in os.environ or kind is None:
        return None
    machines = item.session.stash.setdefault(_MACHINES, {})
    if not machines:
        kinds = {_machine_of(one) for one in item.session.items} - {None}
        machines |= {one: Machine(item.session, one) for one in Kernel if one in kinds}
    item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
    while not machines[kind].has_ended(item):
        if not any(machine.hear() for machine in machines.values()):
            time.sleep(_GLANCE)
    for report in machines[kind].reports(item):
        item.ihook.pytest_runtest_logreport(report=report)
    item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
    return True


def pytest_sessionfinish(session: pytest.Session) -> None:
    for machine in session.stash.get(_MACHINES, {}).values():
        machine.stop()


def _machine_of(item: pytest.Item) -> Kernel | None:
    """Return what a test needs of its machine. Return None where it runs outside."""
    mark = item.get_closest_marker("vm")
    if mark is None:
        return None
    asked = {"oldest": Kernel.OLDEST, "nf_tables": Kernel.NF_TABLES}
    return next((kind for word, kind in asked.items() if mark.kwargs.get(word)), Kernel.ANY)


# -- in the machine ---------------------------------------------------------------------------------------------------


def pytest_runtest_logstart(nodeid: str) -> None:
    _hand_out({"begun": nodeid})


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    _hand_out({"report": report._to_json()})


def _hand_out(line: dict[str, Any]) -> None:
    if FILE in os.environ:
        with open(os.environ[FILE], "a") as out:
            out.write(json.dumps(line) + "\n")


# -- outside ----------------------------------------------------------------------------------------------------------


class Machine:
    """A machine with one kind of kernel, its tests, and the reports on them so far."""

    def __init__(self, session: pytest.Session, kind: Kernel) -> None:
        self._config = session.config
        self._kind = kind
        self._items = [item for item in session.items if _machine_of(item) is kind]
        self._reports: dict[str, list[pytest.TestReport]] = {item.nodeid: [] for item in self._items}
        self._ended: set[str] = set()
        self._boot: Boot | None = None

    def has_ended(self, item: pytest.Item) -> bool:
        return item.nodeid in self._ended

    def reports(self, item: pytest.Item) -> list[pytest.TestReport]:
        """Return the reports on a test that has ended."""
        return self._reports[item.nodeid]

    def hear(self) -> bool:
        """Start the machine, if tests are left for it, and take in its news. Return whether there were any."""
        if len(self._ended) == len(self._items):
            return False
        try:
            self._boot = self._boot or self._begin()
        except (NoKernelError, NoDebs, OSError) as error:
            self._give_up(Outcome(GUEST_FAILED, "", str(error)))
            return True
        return self._listen(self._boot)

    def stop(self) -> None:
        if self._boot is not None:
            self._boot.close()
            self._boot = None

    def _begin(self) -> Boot:
        unpacked(*_ETCD)
        left = [item.nodeid for item in self._items if item.nodeid not in self._ended]
        reporter = self._config.pluginmanager.get_plugin("terminalreporter")
        if reporter is not None:
            reporter.write_line(f"\nrunning {len(left)} tests on a kernel with {self._kind.value}")
        return Boot(self._config, left, self._kind)

    def _listen(self, boot: Boot) -> bool:
        """Take in the news of a machine. Return whether there were any."""
        ended = boot.running.ended  # asked before the news are read, so that the last news are not lost
        lines = boot.news()
        for line in lines:
            self._take(boot, line)
        patience = LIDS[self._kind] + GRACE if boot.has_begun else BOOT
        if not lines and (ended or boot.silence > patience):
            self._blame(boot, ended)
            return True
        return bool(lines)

    def _take(self, boot: Boot, line: dict[str, Any]) -> None:
        if "begun" in line:
            boot.at_work, boot.has_begun = line["begun"], True
            return
        report = pytest.TestReport._from_json(line["report"])
        self._reports[report.nodeid].append(report)
        if report.when == "teardown":
            self._ended.add(report.nodeid)
            boot.at_work, boot.has_ended_one = None, True

    def _blame(self, boot: Boot, ended: bool) -> None:
        """Report failures where the machine has ended or hangs: of the test that was running, or of all tests where no
        test has ended yet.
        """
        outcome = boot.running.stop()
        self.stop()
        if not ended:
            trouble = f"the machine has said nothing for {boot.silence:.0f} s, and was ended\n{outcome.trouble}"
            outcome = Outcome(outcome.status, outcome.output, trouble)
        if boot.at_work is not None:
            item = next(item for item in self._items if item.nodeid == boot.at_work)
            self._fail(item, "the machine ended or hung during this test", outcome)
        elif not boot.has_ended_one:
            self._give_up(outcome)

    def _give_up(self, outcome: Outcome) -> None:
        for item in self._items:
            if item.nodeid not in self._ended:
                self._fail(item, "the machine did not get to any test", outcome)

    def _fail(self, item: pytest.Item, why: str, outcome: Outcome) -> None:
        text = f"{why} (status {outcome.status})\n{outcome.trouble}\n{outcome.output[-8000:]}"
        report = pytest.TestReport(item.nodeid, item.location, dict.fromkeys(item.keywords, 1), "failed", text, "call")
        self._reports[item.nodeid].append(report)
        self._ended.add(item.nodeid)


class Boot:
    """One boot of a machine, whose pytest runs some tests. Errors: NoKernelError."""

    def __init__(self, config: pytest.Config, tests: list[str], kind: Kernel) -> None:
        self._stack = ExitStack()
        here = Path.cwd()
        os.chdir(config.rootpath)  # node ids are relative to this directory
        try:
            command = _command(config, LIDS[kind], tests)
            self.running: Running = self._stack.enter_context(started(command, kind))
        finally:
            os.chdir(here)
        self.at_work: str | None = None  # the test that began and has not ended
        self.has_begun = self.has_ended_one = False
        self._read = 0  # bytes read so far
        self._heard = time.monotonic()

    @property
    def silence(self) -> float:
        """The seconds since the machine last had news."""
        return time.monotonic() - self._heard

    def news(self) -> list[dict[str, Any]]:
        """Return the lines that the machine wrote since the last call. A line that is not complete yet comes later."""
        with (self.running.control / "file").open("rb") as file:
            file.seek(self._read)
            text = file.read()
        whole = text[: text.rfind(b"\n") + 1]
        if whole:
            self._heard = time.monotonic()
        self._read += len(whole)
        return list(_lines(whole))

    def close(self) -> None:
        self._stack.close()


def _lines(text: bytes) -> Iterator[dict[str, Any]]:
    for line in text.splitlines():
        yield json.loads(line)


def _command(config: pytest.Config, lid: int, tests: list[str]) -> list[str]:
    words = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--rootdir={config.rootpath}"]
    words += ["-o", f"timeout={lid}"]
    seed = config.getoption("hypothesis_seed", None)
    return [*words, *([] if seed is None else [f"--hypothesis-seed={seed}"]), *tests]
