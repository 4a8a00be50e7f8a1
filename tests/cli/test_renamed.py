"""A change of a program that changes no rules is recorded as any other change, and the kernel stays as it is."""

from __future__ import annotations

import pytest

import svcc
from support.schemas import follows
from support.shell import A, Shell

pytestmark = pytest.mark.kernel

CHECKED = """\
cluster { prefix CUSTOM; pods 100.64.0.0/24 }
service web { vip 198.19.10.1; port 80/tcp; check tcp; endpoints { 100.64.0.1; 100.64.0.2; 100.64.0.3 } }
"""
OTHERWISE = CHECKED.replace("check tcp", "check tcp every 7s")
REST = "timeout 2s fall 3 rise 2"
LINE = f"web: ~ check tcp every 5s {REST} -> tcp every 7s {REST}"


@pytest.fixture
def shell(shell: Shell) -> Shell:
    (shell.folder / "a.dsl").write_text(CHECKED)
    (shell.folder / "b.dsl").write_text(OTHERWISE)
    return shell


def check_of(shell: Shell) -> str:
    (service,) = follows("show", shell.svcc("show", "--json").stdout)["program"]["services"]
    return str(service["check"].get("every", "the default"))


@pytest.mark.parametrize("target", ["nft", "iptables"])
def test_it_is_planned_applied_shown_and_taken_back(shell: Shell, target: str) -> None:
    shell.svcc("apply", "a.dsl", "-t", target)
    rules = shell.run("nft", "-a", "list", "ruleset")
    planned = shell.svcc("plan", "b.dsl", "-t", target, status=1)
    assert planned.stdout.splitlines() == [
        LINE,
        "",
        "The kernel holds what it should: rules say nothing of this, and stay as they are.",
        "1 service changed. Nothing is taken away.",
    ]
    document = follows("plan", shell.svcc("plan", "b.dsl", "-t", target, "--json", status=1).stdout)
    assert [one["service"] for one in document["services"]] == ["web"]
    assert document["objects"] == document["steps"] == []
    said = shell.svcc("apply", "b.dsl", "-t", target).stdout
    assert said == "Generation 2 is in place: it was there already.\n"
    assert shell.svcc("plan", "b.dsl", "-t", target).stdout.startswith("Nothing to do")
    assert shell.svcc("apply", "b.dsl", "-t", target).stdout == "Nothing to do: generation 2 is in place.\n"
    assert shell.svcc("diff", "1", "2", status=1).stdout.splitlines()[0] == LINE
    changed = check_of(shell)
    assert shell.svcc("rollback").stdout == "Generation 1 is in place again, as generation 3.\n"
    assert check_of(shell) != changed
    assert shell.run("nft", "-a", "list", "ruleset") == rules
    assert shell.endpoints() == (A if target == "nft" else set())


def test_a_session_records_it_too(shell: Shell) -> None:
    """Also where endpoints are served in another way than the program says."""
    programs = [svcc.load(str(shell.folder / name)) for name in ("a.dsl", "b.dsl")]
    with (
        shell.namespace.entered(),
        svcc.Session(target="nft", state_dir=str(shell.folder / "state")) as session,
    ):
        assert [session.follow(one, one).number for one in (*programs, programs[1])] == [1, 2, 2]
        assert session.adjust(programs[1]).number == 2
        assert session.apply(session.plan(programs[0])).number == 3
        assert session.apply(session.plan(programs[0])).number == 3


def test_a_program_is_recorded_over_the_bundle_of_the_same_rules(shell: Shell) -> None:
    (shell.folder / "a.bundle").write_text(shell.svcc("compile", "a.dsl", "-t", "nft").stdout)
    shell.svcc("apply", "a.bundle", "-t", "nft")
    assert shell.svcc("apply", "a.dsl", "-t", "nft").stdout == "Generation 2 is in place: it was there already.\n"
    assert follows("show", shell.svcc("show", "--json").stdout)["program"]["services"][0]["name"] == "web"
    for file in ("a.dsl", "a.bundle"):
        assert shell.svcc("apply", file, "-t", "nft").stdout == "Nothing to do: generation 2 is in place.\n"
