"""pytest: tests marked ``vm`` run on a kernel that has IPVS, all of a session's in one go.

Outside, none of their fixtures is set up: the first of them starts the machine with a pytest of its own for all of
them, and each reports what that one reported. A test that the machine did not get to fails. Those that are marked
``vm(nf_tables=True)`` share another machine in the same way.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from vm.guest import Outcome
from vm.machine import run_with_file

#: In the machine: the file that takes the reports.
_REPORTS = "SVCC_VM_REPORTS"
_TIMEOUT = float(os.environ.get("SVCC_VM_TIMEOUT", "900"))
#: What became of the machine's tests, by whether it has nf_tables.
_RUNS = pytest.StashKey[dict[bool, "Run"]]()


@dataclass(frozen=True, slots=True)
class Run:
    outcome: Outcome
    reports: dict[str, list[pytest.TestReport]]  # by node id


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Outside, the first test of a machine takes as long as all of them: the machine's own time-out is for that."""
    for item in items:
        if _REPORTS not in os.environ and _machine_of(item) is not None:
            item.add_marker(pytest.mark.timeout(0), append=False)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> bool | None:
    machine = _machine_of(item)
    if _REPORTS in os.environ or machine is None:
        return None
    runs = item.session.stash.setdefault(_RUNS, {})
    if machine not in runs:
        runs[machine] = _run_all(item.session, machine)
    item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
    for report in runs[machine].reports.get(item.nodeid) or [_missing(item, runs[machine].outcome)]:
        item.ihook.pytest_runtest_logreport(report=report)
    item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
    return True


def _machine_of(item: pytest.Item) -> bool | None:
    """Whether a test's machine has nf_tables; None: it runs outside."""
    mark = item.get_closest_marker("vm")
    return None if mark is None else bool(mark.kwargs.get("nf_tables"))


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """In the machine: hand the report out."""
    if _REPORTS in os.environ:
        with open(os.environ[_REPORTS], "a") as out:
            out.write(json.dumps(report._to_json()) + "\n")


def _run_all(session: pytest.Session, nf_tables: bool) -> Run:
    config = session.config
    wanted = [item.nodeid for item in session.items if _machine_of(item) is nf_tables]
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    if reporter is not None:
        kernel = "IPVS and nf_tables" if nf_tables else "IPVS"
        reporter.write_line(f"\nrunning {len(wanted)} tests on a kernel with {kernel}")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--rootdir={config.rootpath}"]
    command += ["-o", f"timeout={_TIMEOUT}"]
    here = Path.cwd()
    os.chdir(config.rootpath)  # what node ids are relative to
    try:
        outcome, reports = run_with_file([*command, *wanted], _TIMEOUT, _REPORTS, nf_tables=nf_tables)
    finally:
        os.chdir(here)
    results: dict[str, list[pytest.TestReport]] = {}
    for report in _read(reports):
        results.setdefault(report.nodeid, []).append(report)
    return Run(outcome, results)


def _read(reports: str) -> Iterator[pytest.TestReport]:
    for line in reports.splitlines():
        try:
            yield pytest.TestReport._from_json(json.loads(line))
        except ValueError:  # the line that was being written when the machine stopped
            return


def _missing(item: pytest.Item, outcome: Outcome) -> pytest.TestReport:
    text = f"the machine did not report this test (status {outcome.status})\n"
    text += f"{outcome.trouble}\n{outcome.output[-8000:]}"
    return pytest.TestReport(item.nodeid, item.location, dict.fromkeys(item.keywords, 1), "failed", text, "call")
