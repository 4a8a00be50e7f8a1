"""The drivers of kernel parameters and of modules on this machine's own kernel."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.apply_states import SAME, arrived, go, inside, phases, run
from support.files import GOLDEN
from svcc.apply.drivers import ModulesDriver, SysctlDriver
from svcc.apply.scope import Scope
from svcc.kernel import tools
from svcc.kernel.steps import Phase, StepError, ToolEnd

pytestmark = pytest.mark.kernel

SYSCTL, MODULES = SysctlDriver(), ModulesDriver()
SCOPE = Scope("T")
FILES = GOLDEN / "ipvs"
KEYS = (
    "net.ipv4.ip_forward",
    "net.ipv4.conf.all.arp_ignore",
    "net.ipv6.conf.all.forwarding",
    "net.ipv4.ip_local_port_range",
)
PORTS = "net.ipv4.ip_local_port_range"


@pytest.fixture(autouse=True)
def _namespace() -> Iterator[None]:
    with inside():
        yield


# -- parameters -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(path.name for path in FILES.iterdir()))
def test_parameters_of_a_text(name: str) -> None:
    text = (FILES / name / "sysctl.conf").read_text()
    pairs = [line.split(" = ") for line in text.splitlines() if not line.startswith("#")]
    assert SYSCTL.parse(text, SCOPE) == dict(pairs)


def test_a_text_that_svcc_did_not_write() -> None:
    with pytest.raises(ValueError, match=r"^line 2: not KEY = VALUE: net\.ipv4\.ip_forward$"):
        SYSCTL.parse("# one\nnet.ipv4.ip_forward\n", SCOPE)


@settings(max_examples=15)
@given(*[st.dictionaries(st.sampled_from(KEYS[:3]), st.sampled_from("012")) for _ in range(2)])
def test_from_any_values_to_any_other_and_back(first: dict[str, str], second: dict[str, str]) -> None:
    with inside():
        everything = run(f"sysctl {' '.join(KEYS)}")
        before = SYSCTL.read(SCOPE, first)
        steps = go(SYSCTL, first, SCOPE)
        assert [step.size for step in steps] == ([differing] if (differing := _differing(before, first)) else [])
        middle = SYSCTL.read(SCOPE, second)
        go(SYSCTL, second, SCOPE)
        go(SYSCTL, middle, SCOPE)
        go(SYSCTL, before, SCOPE)
        assert run(f"sysctl {' '.join(KEYS)}") == everything


def _differing(before: object, after: object) -> int:
    assert isinstance(before, dict)
    assert isinstance(after, dict)
    return sum(before[key] != value for key, value in after.items())


def test_several_numbers_compare_as_words() -> None:
    wanted = SYSCTL.parse(f"{PORTS} = 20000   30000\n", SCOPE)
    assert phases(go(SYSCTL, wanted, SCOPE)) == {Phase.SYSCTLS: "1 value set"}
    assert run(f"sysctl -n {PORTS}") == "20000\t30000\n"


@pytest.mark.parametrize("value", "01238")
def test_a_stricter_value_of_somebody_elses_stays(value: str) -> None:
    """ip-sysctl.rst: arp_ignore 2 and 8 answer less than 1; 3 answers for addresses of other devices."""
    key = "net.ipv4.conf.all.arp_ignore"
    run(f"sysctl -w {key}={value}")
    wanted = {key: "1"}
    before = SYSCTL.read(SCOPE, wanted)
    go(SYSCTL, wanted, SCOPE)
    assert run(f"sysctl -n {key}").strip() == (value if value in "28" else "1")
    go(SYSCTL, before, SCOPE)
    assert run(f"sysctl -n {key}").strip() == value


def test_nothing_wanted_changes_nothing() -> None:
    assert SYSCTL.read(SCOPE, {}) == {}
    assert SYSCTL.steps({"net.ipv4.ip_forward": "1"}, {}, SCOPE, SAME) == []


def test_what_is_read_is_shown_and_kept() -> None:
    live = SYSCTL.read(SCOPE, {"net.ipv4.ip_forward": "1", "net.ipv4.vs.none": "1"})
    assert live == {"net.ipv4.ip_forward": run("sysctl -n net.ipv4.ip_forward").strip(), "net.ipv4.vs.none": None}
    changes = SYSCTL.changes({"a.b": "0", "c.d": None}, {"a.b": "1", "c.d": "2"})
    assert [*map(str, changes)] == ["~ value a.b: 0 -> 1", "+ value c.d = 2"]


def test_a_key_that_its_module_brings_is_not_missed_before_the_module_is_there() -> None:
    (step,) = SYSCTL.steps({}, {"net.ipv4.vs.none": "1"}, SCOPE, SAME)
    assert step.check is not None
    step.check()
    with pytest.raises(StepError) as caught:
        step.run()
    assert caught.value.words == ("cannot set net.ipv4.vs.none = 1: the kernel has no such key; module ip_vs brings it")
    assert caught.value.line == "net.ipv4.vs.none = 1"
    assert str(caught.value.culprit) == "+ value net.ipv4.vs.none = 1"


def test_a_key_that_was_absent_is_not_missed_on_the_way_back() -> None:
    before = SYSCTL.read(SCOPE, {"net.ipv4.vs.none": "1"})
    arrived(SYSCTL, before, SCOPE)


def test_a_key_that_no_kernel_has_is_refused_beforehand() -> None:
    (step,) = SYSCTL.steps({}, {"net.core.none": "1"}, SCOPE, SAME)
    assert step.check is not None
    with pytest.raises(StepError, match=r"^sysctl: cannot set net.core.none = 1: the kernel has no such key$"):
        step.check()


def test_a_value_that_the_kernel_refuses_is_named() -> None:
    live = SYSCTL.read(SCOPE, {PORTS: ""})
    (step,) = SYSCTL.steps(live, {PORTS: "9 8"}, SCOPE, SAME)
    with pytest.raises(StepError, match=r"^sysctl: cannot set net.ipv4.ip_local_port_range = 9 8: Invalid argument$"):
        step.run()
    arrived(SYSCTL, live, SCOPE)


# -- modules ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(path.name for path in FILES.iterdir()))
def test_modules_of_a_text(name: str) -> None:
    text = (FILES / name / "modules.conf").read_text()
    assert MODULES.parse(f"# a comment\n{text}\n", SCOPE) == set(text.split())


def test_modules_that_are_there_are_not_loaded_and_none_is_unloaded() -> None:
    run("ipset list -n")
    wanted = frozenset({"ip_set"})
    arrived(MODULES, wanted, SCOPE)
    assert MODULES.read(SCOPE, frozenset()) == frozenset()
    assert MODULES.steps(wanted, frozenset(), SCOPE, SAME) == []


def test_a_module_that_the_kernel_lacks_is_named_beforehand() -> None:
    wanted = frozenset({"ip_set", "no_such_module"})
    assert MODULES.read(SCOPE, wanted) == {"ip_set"}
    (step,) = MODULES.steps(MODULES.read(SCOPE, wanted), wanted, SCOPE, SAME)
    assert (step.phase, step.title, step.size) == (Phase.MODULES, "1 module loaded", 1)
    assert step.check is not None
    with pytest.raises(StepError, match=r"^modules: this kernel has no module no_such_module$") as caught:
        step.check()
    assert str(caught.value.culprit) == "+ module no_such_module"
    with pytest.raises(StepError, match="no_such_module") as caught:
        step.run()
    assert caught.value.line == "no_such_module"


def test_a_modprobe_that_hangs_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "modprobe").write_text("#!/bin/sh\nexec sleep 1000\n")
    (tmp_path / "modprobe").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.setattr(tools, "LIMIT", 0.2)
    wanted = frozenset({"no_such_module"})
    (step,) = MODULES.steps(frozenset(), wanted, SCOPE, SAME)
    assert step.check is not None
    for ended in (lambda: MODULES.read(SCOPE, wanted), step.check, step.run):
        with pytest.raises(StepError, match="modprobe did not end within 0 s, and was ended") as caught:
            ended()
        assert caught.value.end is ToolEnd.LATE


@pytest.mark.parametrize(
    ("shown", "there"),
    [("echo insmod /lib/modules/x.ko", False), ("echo builtin none", True), ("true", True), ("exit 1", False)],
)
def test_what_is_built_in_is_there(shown: str, there: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As modprobe --show-depends tells it."""
    fake = tmp_path / "modprobe"
    fake.write_text(f"#!/bin/sh\n{shown}\n")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert MODULES.read(SCOPE, frozenset({"no_such_module"})) == (
        frozenset({"no_such_module"}) if there else frozenset()
    )
