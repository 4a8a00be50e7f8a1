"""pytest: tests marked ``vm`` run on a kernel that has IPVS, all of a session's in one go.

Outside, none of their fixtures is set up: the first of them starts the machine with a pytest of its own for all of
them, and each reports what that one reported. A test that the machine did not get to fails.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from vm.machine import Outcome, run_with_file

#: In the machine: the file that takes the reports.
_REPORTS = "SVCC_VM_REPORTS"
_TIMEOUT = float(os.environ.get("SVCC_VM_TIMEOUT", "900"))
_RESULTS = pytest.StashKey[dict[str, list[pytest.TestReport]]]()
_OUTCOME = pytest.StashKey[Outcome]()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> bool | None:
    if _REPORTS in os.environ or item.get_closest_marker("vm") is None:
        return None
    session = item.session
    if _RESULTS not in session.stash:
        session.stash[_RESULTS], session.stash[_OUTCOME] = _run_all(session)
    item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
    for report in session.stash[_RESULTS].get(item.nodeid) or [_missing(item, session.stash[_OUTCOME])]:
        item.ihook.pytest_runtest_logreport(report=report)
    item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
    return True


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """In the machine: hand the report out."""
    if _REPORTS in os.environ:
        with open(os.environ[_REPORTS], "a") as out:
            out.write(json.dumps(report._to_json()) + "\n")


def _run_all(session: pytest.Session) -> tuple[dict[str, list[pytest.TestReport]], Outcome]:
    config = session.config
    wanted = [item.nodeid for item in session.items if item.get_closest_marker("vm") is not None]
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    if reporter is not None:
        reporter.write_line(f"\nrunning {len(wanted)} tests on a kernel with IPVS")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--rootdir={config.rootpath}"]
    here = Path.cwd()
    os.chdir(config.rootpath)  # what node ids are relative to
    try:
        outcome, reports = run_with_file([*command, *wanted], _TIMEOUT, _REPORTS)
    finally:
        os.chdir(here)
    results: dict[str, list[pytest.TestReport]] = {}
    for report in _read(reports):
        results.setdefault(report.nodeid, []).append(report)
    return results, outcome


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
