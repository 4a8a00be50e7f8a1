"""What the xtables drivers do when the machine is not as they would like it."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.files import GOLDEN
from support.ipvs_kernel import loadable
from support.xtables_machine import (
    DOWN,
    FAMILIES,
    TO_IPTABLES,
    TO_IPVS,
    VARIANTS,
    bring,
    converge,
    load,
    load_others,
    make_sets,
    must,
    namespace,
    others,
)
from svcc.apply.scope import Scope
from svcc.kernel import tools
from svcc.kernel.steps import FrontendAddress, Step, StepError, Verb
from svcc.kernel.xtables import variant as variants
from svcc.kernel.xtables.variant import Restore
from svcc.targets import targets
from svcc.targets.interface import Artifact, Bundle

pytestmark = pytest.mark.kernel

SCOPE = Scope("CUSTOM")
TEXT = (GOLDEN / "iptables" / "custom-cluster" / "iptables.rules").read_text()
IPVS = loadable((GOLDEN / "ipvs" / "custom-cluster" / "iptables.rules").read_text())
DRIVER = FAMILIES["iptables"]
OTHER = {"nft": "legacy", "legacy": "nft"}


@pytest.fixture(autouse=True)
def _inside() -> Iterator[None]:
    with namespace():
        yield


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory at the head of PATH."""
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    return tmp_path


def fake(directory: Path, name: str, script: str) -> None:
    tool = directory / name
    tool.write_text(f"#!/bin/sh\n{script}\n")
    tool.chmod(0o755)


def steps(text: str) -> list[Step]:
    wanted = DRIVER.parse(text, SCOPE)
    return DRIVER.steps(DRIVER.read(SCOPE, wanted), wanted, SCOPE, TO_IPTABLES)


def step(text: str) -> Step:
    (only,) = steps(text)
    return only


def saved(variant: str) -> str:
    return must(f"iptables-{variant}-save")


# -- variants ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("variant", VARIANTS)
def test_with_nothing_there_it_is_the_variant_of_the_tool_called_iptables(path: Path, variant: str) -> None:
    (path / "iptables").symlink_to(tools.find(f"iptables-{variant}") or "")
    converge(DRIVER, TEXT, SCOPE, TO_IPTABLES)
    assert "CUSTOM-SERVICES" in saved(variant)
    assert "CUSTOM-SERVICES" not in saved(OTHER[variant])


@pytest.mark.parametrize("variant", VARIANTS)
def test_where_our_chains_are_they_stay(path: Path, variant: str) -> None:
    (path / "iptables").symlink_to(tools.find(f"iptables-{OTHER[variant]}") or "")
    load("iptables", variant, "*nat\n:CUSTOM-SERVICES - [0:0]\nCOMMIT\n")
    converge(DRIVER, TEXT, SCOPE, TO_IPTABLES)
    assert "CUSTOM-SVC" in saved(variant)
    assert "CUSTOM-" not in saved(OTHER[variant])
    before = DRIVER.read(SCOPE, DRIVER.parse("", SCOPE))
    converge(DRIVER, "", SCOPE, DOWN)
    bring(DRIVER, DRIVER.load(DRIVER.dump(before)), SCOPE, TO_IPTABLES)
    assert "CUSTOM-SVC" in saved(variant)
    assert "CUSTOM-" not in saved(OTHER[variant])


@pytest.mark.parametrize("variant", VARIANTS)
def test_chains_in_the_other_variant_go(path: Path, variant: str) -> None:
    (path / "iptables").symlink_to(tools.find(f"iptables-{variant}") or "")
    for each in VARIANTS:
        load_others("iptables", each, "CUSTOM")
        load("iptables", each, TEXT)
    before = [others("iptables", each, "CUSTOM") for each in VARIANTS]
    live, wanted = DRIVER.read(SCOPE, DRIVER.parse(TEXT, SCOPE)), DRIVER.parse(TEXT, SCOPE)
    changes = [str(change) for change in DRIVER.changes(live, wanted)]
    assert f"- chain nat CUSTOM-MARK (the {OTHER[variant]} variant)" in changes
    assert all(change.startswith("- ") for change in changes)
    converge(DRIVER, TEXT, SCOPE, TO_IPTABLES)
    assert "CUSTOM-SVC" in saved(variant)
    assert "A CUSTOM-" not in saved(OTHER[variant])
    assert [others("iptables", each, "CUSTOM") for each in VARIANTS] == before
    DRIVER.steps(DRIVER.read(SCOPE, wanted), live, SCOPE, TO_IPTABLES)[0].run()  # and what was there comes back
    assert DRIVER.read(SCOPE, wanted) == live


def test_looking_makes_no_legacy_tables() -> None:
    DRIVER.read(SCOPE, DRIVER.parse("", SCOPE))
    assert Path("/proc/thread-self/net/ip_tables_names").read_text() == ""


def test_a_machine_with_one_variant_has_one_name(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for verb in ("save", "restore"):
        (path / f"iptables-{verb}").symlink_to(tools.find(f"iptables-nft-{verb}") or "")
    fake(path, "iptables", "echo 'iptables v1.8.9 (nf_tables)'")
    monkeypatch.setenv("PATH", str(path))
    monkeypatch.setattr(tools, "_SBIN", ())
    converge(DRIVER, TEXT, SCOPE, TO_IPTABLES)
    assert len(DRIVER.read(SCOPE, DRIVER.parse("", SCOPE)).tables) == 2


def test_without_the_tool_nothing_is_there_and_nothing_can_be(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(path))
    monkeypatch.setattr(tools, "_SBIN", ())
    assert DRIVER.read(SCOPE, DRIVER.parse("", SCOPE)).empty
    with pytest.raises(StepError, match=r"^iptables: iptables-restore is not installed$"):
        step(TEXT).run()


def test_what_others_lead_to_us_is_an_obstacle() -> None:
    load("iptables", "nft", TEXT)
    load("iptables", "nft", "*nat\n:DOCKER - [0:0]\n-A DOCKER -p udp -g CUSTOM-SVC-service-1\nCOMMIT\n")
    live, nothing = DRIVER.read(SCOPE, DRIVER.parse("", SCOPE)), DRIVER.parse("", SCOPE)
    assert list(DRIVER.obstacles(live, DRIVER.parse(TEXT, SCOPE), SCOPE)) == []
    assert list(DRIVER.obstacles(live, nothing, SCOPE)) == [
        "`iptables -t nat -A DOCKER -p udp -g CUSTOM-SVC-service-1` leads to a chain that goes away"
    ]


def test_a_table_that_the_tool_cannot_read_is_told_where_it_matters() -> None:
    must("nft add table ip nat")
    must("nft add chain ip nat OUTPUT { type nat hook output priority -100; }")
    must("nft add rule ip nat OUTPUT numgen random mod 3 0 accept")
    nothing = DRIVER.parse("", SCOPE)
    assert DRIVER.read(SCOPE, nothing).empty
    part = targets()["iptables"].parts[0]
    loaded = SCOPE.including(Bundle("iptables", None, (Artifact(part, TEXT),)))
    for scope, wanted in ((SCOPE, DRIVER.parse(TEXT, SCOPE)), (loaded, nothing)):
        with pytest.raises(StepError, match=r"^iptables: iptables-save cannot read table nat: nft put rules"):
            DRIVER.read(scope, wanted)


# -- failures ---------------------------------------------------------------------------------------------------------


def test_a_lost_race_is_run_again_with_what_is_left_to_do(path: Path) -> None:
    """The first attempt gets as far as the first table."""
    real = tools.find("iptables-nft-restore")
    lost = f'touch {path}/lost; sed "/^COMMIT/q" | {real} "$@"; echo "line 9: CHAIN_ADD failed" >&2; exit 4'
    fake(path, "iptables-nft-restore", f'[ -e {path}/lost ] && exec {real} "$@"\n{lost}')
    first = step(TEXT)
    first.run()
    assert (path / "lost").exists()
    assert DRIVER.read(SCOPE, DRIVER.parse("", SCOPE)) == DRIVER.parse(TEXT, SCOPE)


def test_a_race_is_lost_for_good_after_a_few_attempts(path: Path) -> None:
    fake(path, "iptables-nft-restore", f"echo . >> {path}/attempts; echo 'Resource problem' >&2; exit 4")
    with pytest.raises(StepError, match=r"^iptables: Resource problem$"):
        step(TEXT).run()
    assert (path / "attempts").read_text().count(".") == 4


def test_a_held_lock_is_waited_for_and_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XTABLES_LOCKFILE", str(tmp_path / "lock"))
    monkeypatch.setattr(Restore, "WAIT", 1)
    load("iptables", "legacy", "*nat\n:CUSTOM-SERVICES - [0:0]\nCOMMIT\n")
    waiting = step(TEXT)
    with (tmp_path / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(StepError, match=r"^iptables: another program held the xtables lock for 1 seconds"):
            waiting.run()
    waiting.run()
    assert DRIVER.read(SCOPE, DRIVER.parse("", SCOPE)) == DRIVER.parse(TEXT, SCOPE)


def test_a_tool_that_was_killed_is_named_with_its_signal(path: Path) -> None:
    fake(path, "iptables-nft-restore", "kill -KILL $$")
    with pytest.raises(StepError, match=r"iptables-nft-restore was killed by SIGKILL$"):
        step(TEXT).run()


def refused(text: str, variant: str, *, check: bool) -> StepError:
    load("iptables", variant, "*nat\n:CUSTOM-SERVICES - [0:0]\nCOMMIT\n")
    only = step(text)
    attempt = only.check if check else only.run
    assert attempt is not None
    with pytest.raises(StepError) as caught:
        attempt()
    return caught.value


@pytest.mark.parametrize("check", [True, False], ids=["check", "run"])
@pytest.mark.parametrize("variant", VARIANTS)
def test_the_rule_that_the_tool_does_not_know_is_named(variant: str, check: bool) -> None:
    rule = "-p tcp -m nosuch --at-all -j DNAT --to-destination 100.64.0.9:8080"
    error = refused(TEXT.replace("-p tcp -j DNAT --to-destination 100.64.0.9:8080", rule), variant, check=check)
    assert error.line == f"-A CUSTOM-SVC-service-1 {rule}"
    assert error.culprit is not None
    assert (error.culprit.verb, error.culprit.kind) == (Verb.ADD, "rule")
    assert error.culprit.subject == f"nat -A CUSTOM-SVC-service-1 {rule}"
    assert error.culprit.frontend == FrontendAddress("198.19.10.0", "tcp", 8080)
    assert error.culprit.label == "service-1"


def test_the_rule_that_the_kernel_refuses_is_named() -> None:
    rule = "-p tcp -j REJECT --reject-with tcp-reset"  # not in nat
    error = refused(TEXT.replace("-p tcp -j DNAT --to-destination 100.64.0.9:8080", rule), "nft", check=False)
    assert error.line == f"-A CUSTOM-SVC-service-1 {rule}"
    assert error.culprit is not None
    assert error.culprit.subject == f"nat -A CUSTOM-SVC-service-1 {rule}"


def test_the_legacy_kernel_refuses_whole_tables() -> None:
    rule = "-p tcp -j REJECT --reject-with tcp-reset"
    error = refused(TEXT.replace("-p tcp -j DNAT --to-destination 100.64.0.9:8080", rule), "legacy", check=False)
    assert error.words == "iptables-restore: line 39 failed (the whole table nat)"
    assert (error.line, error.culprit) == ("COMMIT", None)


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_chain_that_cannot_go_is_named(variant: str) -> None:
    load("iptables", variant, TEXT)
    load("iptables", variant, "*nat\n:DOCKER - [0:0]\n-A DOCKER -j CUSTOM-MARK\nCOMMIT\n")
    nothing = DRIVER.parse("", SCOPE)
    (only,) = DRIVER.steps(DRIVER.read(SCOPE, nothing), nothing, SCOPE, DOWN)
    with pytest.raises(StepError) as caught:
        only.run()
    assert caught.value.line == "-X CUSTOM-MARK"
    assert caught.value.culprit is not None
    assert str(caught.value.culprit) == "- chain nat CUSTOM-MARK"
    left, whole = (state.tables["nat"] for state in (DRIVER.read(SCOPE, nothing), DRIVER.parse(TEXT, SCOPE)))
    assert left.chains == whole.chains
    assert [hook for hook, _ in left.entries] == ["POSTROUTING"]  # the others went in a commit before


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_jump_to_no_chain_is_found_before_anything_is_done(variant: str) -> None:
    text = TEXT.replace("-A CUSTOM-EXT-service-1 -g CUSTOM-SVC-service-1", "-A CUSTOM-EXT-service-1 -g CUSTOM-SVC-x")
    error = refused(text, variant, check=True)
    assert error.words == "there is no chain CUSTOM-SVC-x"
    assert error.line == "-A CUSTOM-EXT-service-1 -g CUSTOM-SVC-x"
    assert error.culprit is not None
    assert error.culprit.subject == "nat -A CUSTOM-EXT-service-1 -g CUSTOM-SVC-x"


@pytest.mark.parametrize("variant", VARIANTS)
def test_rules_over_sets_are_tried_before_there_are_sets(variant: str) -> None:
    load("iptables", variant, TEXT)
    wanted, live = DRIVER.parse(IPVS, SCOPE), DRIVER.read(SCOPE, DRIVER.parse(IPVS, SCOPE))
    (only,) = DRIVER.steps(live, wanted, SCOPE, TO_IPVS)
    assert only.check is not None
    only.check()
    assert must("ipset list -n") == ""
    assert DRIVER.read(SCOPE, wanted) == live
    with pytest.raises(StepError, match=r"Set CUSTOM-[A-Z-]+ doesn't exist"):
        only.run()
    make_sets("iptables", IPVS)
    only.run()
    assert DRIVER.read(SCOPE, wanted) == wanted


def test_who_may_not_see_the_legacy_rules_is_told_so() -> None:
    """iptables-legacy-save shows others than root no rules, and says that all is well."""
    groups = os.getgroups()
    os.setgroups([])
    os.setegid(65_534)
    os.seteuid(65_534)
    try:
        with pytest.raises(StepError, match=r"^iptables: .*: only root may see which rules there are$"):
            variants.saved("iptables", variants.LEGACY, SCOPE)
    finally:
        os.seteuid(0)
        os.setegid(0)
        os.setgroups(groups)


def test_a_listing_that_fails_is_told(path: Path) -> None:
    """Of tables that there are: where the kernel has none, nobody is asked for them."""
    fake(path, "iptables-nft-save", "echo 'you must be root' >&2; exit 4")
    assert DRIVER.read(SCOPE, DRIVER.parse("", SCOPE)) == DRIVER.parse("", SCOPE)
    (path / "iptables-nft-save").unlink()
    step(TEXT).run()
    fake(path, "iptables-nft-save", "echo 'you must be root' >&2; exit 4")
    with pytest.raises(StepError, match=r"^iptables: you must be root$"):
        DRIVER.read(SCOPE, DRIVER.parse("", SCOPE))
