"""Options and marks of the whole suite. What a mark means is said in pyproject.toml."""

from __future__ import annotations

import gc
import os
import platform
import signal

import pytest
from hypothesis import settings

pytest.register_assert_rewrite("support")  # an assertion that fails in a helper shows its values
pytest_plugins = ["support.vm.plugin", "support.shell"]  # tests marked vm; the fixture of that name

settings.register_profile("default", deadline=None)  # the machines that run this are shared and noisy
settings.register_profile("ci", settings.get_profile("default"), derandomize=True)  # a red run can be repeated
settings.register_profile(
    "quick", settings.get_profile("ci"), max_examples=10
)  # on further Pythons, and in `make check`
settings.register_profile("thorough", settings.get_profile("default"), max_examples=2000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci" if os.environ.get("CI") else "default"))

#: Garbage is looked for after so many new objects: Python's own 700 suit smaller programs.
_NEW_OBJECTS = 10_000
_LEFT_OUT = pytest.StashKey[int]()
#: Folders of which each test, or none, loads rules; in the others some do.
_WITH_KERNEL, _WITHOUT_KERNEL = ("kernel", "vm"), ("unit", "property", "kubernetes")
#: What a user sends to end a program, or a terminal that goes.
_ENDS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("svcc")
    group.addoption("--update-golden", action="store_true", help="rewrite the golden files with what svcc prints now")
    group.addoption("--no-kernel", action="store_true", help="leave out the tests that need root and a kernel")


def pytest_configure() -> None:
    """What a test starts hears signals, though whoever started us ignores some, as nohup does, and ``&`` in a script.

    A handler is not passed on to programs, being ignored is: here they go on being ignored.
    """
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _ENDS)
    for number in _ENDS:
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, lambda *_: None)
    # Legacy iptables' lock is one for all network namespaces: tests side by side would wait for each other, or fail.
    if worker := os.environ.get("PYTEST_XDIST_WORKER"):
        os.environ["XTABLES_LOCKFILE"] = f"/run/xtables-{worker}.lock"


def pytest_report_header() -> str:
    return f"kernel: {platform.system()} {platform.release()}, uid {os.geteuid()}"


@pytest.fixture
def update_golden(request: pytest.FixtureRequest) -> bool:
    """Whether golden files are to be rewritten instead of compared."""
    return bool(request.config.getoption("--update-golden"))


def _needs_kernel(item: pytest.Item) -> bool:
    return any(item.get_closest_marker(mark) for mark in ("kernel", "vm"))


def _misplaced(item: pytest.Item) -> bool:
    """Whether a test's folder says of what it needs something else than its marks."""
    return item.path.parent.name in (_WITHOUT_KERNEL if _needs_kernel(item) else _WITH_KERNEL)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: item.path.parent.name != "fleet")  # these wait most, so others can work beside them
    if misplaced := [item.nodeid for item in items if _misplaced(item)]:
        raise pytest.UsageError("in these folders every test needs a kernel, or none does: " + ", ".join(misplaced))
    if not config.getoption("--no-kernel"):
        return
    left_out = [item for item in items if _needs_kernel(item)]
    config.stash[_LEFT_OUT] = len(left_out)
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if not _needs_kernel(item)]


@pytest.hookimpl(trylast=True)
def pytest_collection_finish() -> None:
    """Nobody looks for garbage in modules and tests any more, which stay to the end: there is much of them."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_NEW_OBJECTS)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """A kernel test without root is a failure: a skip would look like a pass."""
    if _needs_kernel(item) and os.geteuid() != 0:
        pytest.fail("needs root: run the suite as root, or leave the kernel tests out with --no-kernel", pytrace=False)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    _tell_points(terminalreporter)
    left_out = config.stash.get(_LEFT_OUT, 0)
    if left_out:
        terminalreporter.section("left out", sep="-", yellow=True)
        terminalreporter.line(f"{left_out} kernel tests did not run (--no-kernel): nothing was tried against a kernel")


def _tell_points(terminalreporter: pytest.TerminalReporter) -> None:
    """How many points of an apply were interrupted, by the tests that did it (the property ``points``)."""
    points: dict[str, int] = {}
    for report in terminalreporter.getreports("passed"):
        for name, value in report.user_properties:
            if name == "points":
                test = report.nodeid.rpartition("::")[2].partition("[")[0]
                points[test] = points.get(test, 0) + int(str(value))
    if points:
        terminalreporter.section("points of an apply at which it was interrupted, and survived", sep="-")
        for test, number in points.items():
            terminalreporter.line(f"{number:5} {test}")
