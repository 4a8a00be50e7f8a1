"""Applies that are undone unless they are confirmed in time."""

from __future__ import annotations

import os
import pty
import subprocess

import pytest

from support.broken_tools import broken_tools
from support.damages import DAMAGES
from support.shell import A, B, Shell, change_pending, end_watchdog, time_runs_out, watchdog_waits
from support.waiting import until
from svcc.apply.store import Store
from svcc.kernel.namespaces import Namespace

pytestmark = pytest.mark.kernel


def put_back(shell: Shell, endpoints: set[str]) -> str:
    """Wait until all is as it was before; returns the history."""
    until(lambda: shell.endpoints() == endpoints, f"the endpoints are {endpoints}")
    until(lambda: not (shell.folder / "state/custom/confirm.json").exists(), "nothing is under way any more")
    return shell.svcc("history").stdout


def test_what_is_not_confirmed_goes_again(shell: Shell) -> None:
    shell.svcc("apply", "a.dsl", "-t", "nft")
    said = shell.svcc("apply", "b.dsl", "-t", "nft", "--confirm", "600").stdout
    assert said.endswith("It will be undone in 600 seconds, unless you confirm it: svcc confirm\n")
    assert shell.endpoints() == B
    assert "the last apply is not confirmed" in shell.svcc("apply", "a.dsl", "-t", "nft", status=3).stderr
    time_runs_out(shell)
    assert "generation 2 was not confirmed" in put_back(shell, A)


@pytest.mark.parametrize("damage", ["no JSON", "a folder"])
def test_damage_to_its_record_does_not_keep_the_new_rules(shell: Shell, damage: str) -> None:
    shell.svcc("apply", "a.dsl", "-t", "nft")
    shell.svcc("apply", "b.dsl", "-t", "nft", "--confirm", "600")
    with Store(shell.folder / "state").locked():
        time_runs_out(shell)
        until(lambda: watchdog_waits(shell), "the watchdog has seen that, and waits for the lock")
        DAMAGES[damage](shell.folder / "state/custom/confirm.json")
    assert "generation 2 was not confirmed" in put_back(shell, A)


def test_also_on_first_install(shell: Shell) -> None:
    others = shell.world.others()
    shell.svcc("apply", "a.dsl", "-t", "nft", "--confirm", "1")
    assert "generation 1 was not confirmed" in put_back(shell, set())
    assert shell.world.others() == others


def test_what_is_confirmed_stays(shell: Shell) -> None:
    shell.svcc("apply", "a.dsl", "-t", "nft")
    shell.svcc("apply", "b.dsl", "-t", "nft", "--confirm", "600")
    assert shell.svcc("confirm").stdout == "Generation 2 stays.\n"
    assert not (shell.folder / "state/custom/confirm.json").exists()
    assert shell.endpoints() == B
    assert "nothing waits" in shell.svcc("confirm", status=2).stderr


def test_a_rollback_does_not_wait_for_the_watchdog(shell: Shell) -> None:
    shell.svcc("apply", "a.dsl", "-t", "nft")
    shell.svcc("apply", "b.dsl", "-t", "nft", "--confirm", "600")
    shell.svcc("rollback")
    assert shell.endpoints() == A
    assert not (shell.folder / "state/custom/confirm.json").exists()


def test_what_was_deleted_before_it_was_confirmed_is_not_gone_back_to(shell: Shell) -> None:
    shell.svcc("apply", "a.dsl", "-t", "nft")
    shell.svcc("apply", "b.dsl", "-t", "nft", "--confirm", "600")
    assert shell.svcc("delete").stdout.endswith(" `svcc rollback 1` brings what was before it back.\n")
    assert "generation 2 was never confirmed" in shell.svcc("rollback", "2", status=2).stderr
    assert shell.svcc("rollback").stdout == "Generation 1 is in place again, as generation 4.\n"
    assert shell.endpoints() == A


def test_what_was_restored_before_it_was_confirmed_is_not_gone_back_to(shell: Shell) -> None:
    shell.svcc("apply", "a.dsl", "-t", "nft")
    shell.svcc("apply", "b.dsl", "-t", "nft", "--confirm", "600")
    shell.run("nft", "flush", "ruleset")
    shell.svcc("restore")
    assert shell.endpoints() == B
    assert shell.svcc("rollback").stderr == ""
    assert shell.endpoints() == A
    for number in ("2", "3"):
        assert f"generation {number} was never confirmed" in shell.svcc("rollback", number, status=2).stderr


def test_a_failed_apply_leaves_nothing_to_confirm(shell: Shell) -> None:
    shell.svcc("apply", "a.dsl", "-t", "nft")
    with broken_tools(shell.folder, "iptables-restore", "iptables-nft-restore"):
        shell.svcc("apply", "b.dsl", "-t", "iptables", "--confirm", "600", status=4)
    assert not (shell.folder / "state/custom/confirm.json").exists()
    assert shell.endpoints() == A


def test_a_terminal_that_hangs_up_does_not_keep_the_new_rules(shell: Shell) -> None:
    """As when an ssh session is lost: the shell's whole session gets SIGHUP, and its terminal is gone."""
    shell.svcc("apply", "a.dsl", "-t", "nft")
    with shell.namespace.entered():
        child, terminal = pty.fork()
        if child == 0:
            os.chdir(shell.folder)
            words = " ".join(shell.words("apply", "b.dsl", "-t", "nft", "--confirm", "600"))
            os.execvpe("sh", ["sh", "-c", f"{words}; sleep 6000"], shell.environment())
    hear(terminal, b"unless you confirm it: svcc confirm")
    assert shell.endpoints() == B
    os.close(terminal)  # the kernel hangs up
    os.waitpid(child, 0)
    time_runs_out(shell)
    assert "generation 2 was not confirmed" in put_back(shell, A)


def hear(terminal: int, words: bytes) -> None:
    """Wait until a terminal shows some words."""
    shown = b""
    while words not in shown:
        shown += os.read(terminal, 1000)


def test_a_terminal_that_hangs_up_in_the_middle_does_not_either(shell: Shell) -> None:
    shell.svcc("apply", "a.dsl", "-t", "nft")
    with shell.namespace.entered():
        child, terminal = pty.fork()
        if child == 0:
            os.chdir(shell.folder)
            words = shell.words("apply", "b.dsl", "-t", "iptables", "--confirm", "600")
            os.execvpe(words[0], words, shell.environment())
    pending = shell.folder / "state/custom/confirm.json"
    hear(terminal, b"[1/")
    os.close(terminal)
    os.waitpid(child, 0)
    if pending.exists():  # it came to its end before it heard
        time_runs_out(shell)
    put_back(shell, A)
    assert "CUSTOM-SERVICES" not in "".join(shell.rules())


def test_without_the_watchdog_the_next_command_does_its_work(shell: Shell) -> None:
    shell.svcc("apply", "a.dsl", "-t", "nft")
    shell.svcc("apply", "b.dsl", "-t", "nft", "--confirm", "600")
    end_watchdog(shell)
    time_runs_out(shell)
    assert shell.endpoints() == B
    said = shell.svcc("confirm", status=1).stderr
    assert "generation 1 is back" in said
    assert "too late" in said
    assert shell.endpoints() == A


def test_when_time_is_over_and_nobody_has_gone_back_yet_that_is_said(shell: Shell) -> None:
    shell.svcc("apply", "a.dsl", "-t", "nft")
    shell.svcc("apply", "b.dsl", "-t", "nft", "--confirm", "600")
    end_watchdog(shell)
    time_runs_out(shell)
    said = shell.svcc("status").stdout.splitlines()[1]
    assert said == "Not confirmed in time: it will be undone, by the next command that changes anything at the latest"
    said = shell.svcc("plan", "b.dsl", "-t", "nft").stderr
    assert "svcc: generation 2 was not confirmed in time: the next command undoes it first\n" in said


def test_what_was_done_is_said_where_it_cannot_be_printed(shell: Shell) -> None:
    words = shell.words("apply", "a.dsl", "-t", "nft", "--confirm", "600", "-q")
    with shell.namespace.entered(), open("/dev/full", "w", encoding="utf-8") as full:
        done = subprocess.run(
            words,
            cwd=shell.folder,
            env=shell.environment(),
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    *_, place, undone, why = done.stderr.splitlines()
    assert place.startswith("Generation 1 is in place: ")
    assert [undone, why] == [
        "It will be undone in 600 seconds, unless you confirm it: svcc confirm",
        "svcc: standard output: No space left on device",
    ]


@pytest.mark.parametrize("target", ["iptables", "nft"])
def test_a_chain_that_somebody_s_rule_leads_to_is_left_empty(shell: Shell, target: str) -> None:
    file = shell.folder / "c.dsl"
    file.write_text((shell.folder / "a.dsl").read_text().replace("service dns", "service dd"))
    shell.svcc("apply", "a.dsl", "-t", target)
    shell.svcc("apply", "c.dsl", "-t", "iptables", "--confirm", "600")
    shell.run("iptables", "-t", "nat", "-N", "MY")
    shell.run("iptables", "-t", "nat", "-A", "MY", "-j", "CUSTOM-SVC-dd")
    time_runs_out(shell)
    log = shell.folder / "state/custom/watchdog.log"
    until(lambda: bool(log.read_text()), "the watchdog has done something")
    why = "chain CUSTOM-SVC-dd stays, empty, as `iptables -t nat -A MY -j CUSTOM-SVC-dd` leads to it"
    assert log.read_text().endswith(f" generation 2 was not confirmed: generation 1 is back; {why}\n")
    assert [line for line in shell.rules() if "CUSTOM-SVC-dd" in line] == [
        ":CUSTOM-SVC-dd -",
        "-A MY -j CUSTOM-SVC-dd",
    ]
    assert "leads to a chain that goes away" in shell.svcc("plan", "b.dsl", "-t", target, status=3).stderr
    shell.run("iptables", "-t", "nat", "-F", "MY")
    shell.svcc("apply", "a.dsl", "-t", target)
    assert "CUSTOM-SVC-dd" not in "".join(shell.rules())


def test_what_cannot_be_undone_is_said_to_be_so_before_it_is_kept(shell: Shell) -> None:
    shell.svcc("apply", "a.dsl", "-t", "iptables")
    shell.svcc("apply", "b.dsl", "-t", "iptables", "--confirm", "600")
    end_watchdog(shell)
    time_runs_out(shell)
    with broken_tools(shell.folder, "iptables-restore", "iptables-nft-restore"):
        said = shell.svcc("apply", "a.dsl", "-t", "iptables", status=3).stderr
        assert "what was interrupted, or not confirmed in time, can be neither finished nor undone" in said
        assert "the last apply was not confirmed in time, and could not be undone" in said
        said = shell.svcc("confirm").stdout
    assert said == "Generation 2 stays. Its time was over, but it could not be undone.\n"


def test_after_a_restart_what_was_not_confirmed_is_not_restored(shell: Shell) -> None:
    shell.svcc("apply", "a.dsl", "-t", "nft")
    shell.svcc("apply", "b.dsl", "-t", "nft", "--confirm", "600")
    end_watchdog(shell)
    change_pending(shell, boot="an earlier one")
    shell.namespace = Namespace("restarted")
    try:
        shell.svcc("restore")
        assert shell.endpoints() == A
    finally:
        shell.namespace.close()
