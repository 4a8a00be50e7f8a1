"""plan, apply, confirm, rollback, history, status, delete and restore, as a user calls them, on a node of their own."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.schemas import follows
from support.shell import PROGRAM, A, B, Shell, apply_at_work, change_pending, end_watchdog, time_runs_out
from support.waiting import LID, until
from svcc.kernel.namespaces import Namespace

pytestmark = pytest.mark.kernel


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    namespace = Namespace("shell")
    yield Shell(namespace, tmp_path)
    namespace.close()


# ---- plan


def test_a_plan_says_what_changes_by_service_and_changes_nothing(shell: Shell) -> None:
    before = shell.world.others()
    said = shell.svcc("plan", "a.dsl", "-t", "nft", status=1).stdout
    assert said.splitlines()[:2] == [
        "+ service dns (1 endpoint): 198.19.10.2:53/udp",
        "+ service web (2 endpoints): 198.19.10.1:80/tcp, node port 30080/tcp",
    ]
    assert said.splitlines()[-2].endswith("in 1 step: all at once.")
    assert said.splitlines()[-1] == "2 services added. Nothing is taken away."
    assert shell.endpoints() == set()
    assert shell.world.others() == before
    assert not (shell.folder / "state" / "custom").exists()


def test_a_plan_after_an_apply_is_empty(shell: Shell) -> None:
    shell.svcc("apply", "a.dsl", "-t", "nft")
    assert shell.svcc("plan", "a.dsl", "-t", "nft").stdout == "Nothing to do: the kernel holds what it should.\n"


def test_a_small_change_is_a_small_plan(shell: Shell) -> None:
    shell.svcc("apply", "a.dsl", "-t", "nft")
    above, below = (
        """\
web: ~ 100.64.0.2:8080 -> 100.64.0.4:8080
""",
        """\

Steps
  1. nft: 3 elements added, 2 removed (at once)
  2. nft: 1 element removed (at once)

1 object to add, 2 to change, 1 to remove, in 2 steps: each step undone if a later one fails.
1 service changed. Taken away: 1 endpoint.
""",
    )
    objects = """\

web
  ~ nft: element ip endpoint-1 198.19.10.1 . tcp . 80: 100.64.0.2 -> 100.64.0.4
  ~ nft: element ip nodeport-endpoint-1 tcp . 30080: 100.64.0.2 -> 100.64.0.4
(rules and settings that all services share)
  + nft: element ip hairpin 100.64.0.4 . 100.64.0.4
  - nft: element ip hairpin 100.64.0.2 . 100.64.0.2
"""
    assert shell.svcc("plan", "b.dsl", "-t", "nft", status=1).stdout == above + below
    assert shell.svcc("plan", "b.dsl", "-t", "nft", "--objects", status=1).stdout == above + objects + below


@pytest.mark.parametrize("target", ["nft", "iptables"])
def test_what_was_changed_by_hand_is_told_apart_from_what_a_file_changes(shell: Shell, target: str) -> None:
    shell.svcc("apply", "a.dsl", "-t", target)
    assert blocks(shell.svcc("plan", "b.dsl", "-t", target, status=1).stdout)[:2] == [CHANGED, "Steps"]
    shell.run("nft", "flush ruleset")
    said = blocks(shell.svcc("plan", "b.dsl", "-t", target, status=1).stdout)
    lost = """\
Changed by hand since generation 1 was applied, and put right by this:
  2 services (dns, web): nothing of it is in the kernel"""
    assert said[0] == CHANGED
    assert said[1].startswith(lost)
    same = blocks(shell.svcc("plan", "a.dsl", "-t", target, status=1).stdout)
    assert same[0].startswith(lost)
    assert same[-1].endswith("No service changes. Nothing is taken away.\n")
    plan = follows("plan", shell.svcc("plan", "a.dsl", "-t", target, "--json", status=1).stdout)
    assert plan["services"] == []
    assert {one["service"] for one in plan["drift"]} == {"web", "dns", None}
    assert plan["drift"] == plan["objects"]


CHANGED = "web: ~ 100.64.0.2:8080 -> 100.64.0.4:8080"


def blocks(said: str) -> list[str]:
    """The paragraphs of a plan; of its steps, the heading alone."""
    return [block.partition("\n  1. ")[0] for block in said.split("\n\n")]


def test_one_element_that_somebody_changed_is_said_by_its_endpoint(shell: Shell) -> None:
    shell.svcc("apply", "a.dsl", "-t", "nft")
    key = "198.19.10.1 . tcp . 80"
    shell.run("nft", f"delete element ip custom endpoint-1 {{ {key} }}")
    shell.run("nft", f"add element ip custom endpoint-1 {{ {key} : 100.64.0.7 }}")
    said = blocks(shell.svcc("plan", "b.dsl", "-t", "nft", status=1).stdout)
    assert said[0] == CHANGED
    assert said[1].splitlines()[1:] == [
        "  web: 100.64.0.2:8080 is not in the kernel",
        "  web: 100.64.0.7:8080 is only in the kernel",
    ]


def test_another_target_for_the_same_services_is_no_change_of_them(shell: Shell) -> None:
    shell.svcc("apply", "a.dsl", "-t", "nft")
    said = shell.svcc("plan", "a.dsl", "-t", "iptables", status=1).stdout
    assert said.startswith("All services move from nft to iptables.\n\nSteps\n")
    assert said.endswith("No service changes. Nothing is taken away.\n")


def test_a_plan_of_a_bundle_is_by_what_its_rules_serve(shell: Shell) -> None:
    shell.svcc("apply", "a.dsl", "-t", "nft")
    (shell.folder / "b.json").write_text(shell.svcc("compile", "b.dsl", "-t", "nft").stdout)
    said = blocks(shell.svcc("plan", "b.json", "-t", "nft", status=1).stdout)[0].splitlines()
    assert said[:2] == ["web", "  - 100.64.0.2:8080"] or said[0] == CHANGED
    shell.svcc("apply", "b.json", "-t", "nft")
    assert "Only rules are known of one side" in shell.svcc("plan", "a.dsl", "-t", "nft", status=1).stdout


@pytest.mark.parametrize("target", ["nft", "iptables"])
def test_a_plan_as_json_follows_its_schema(shell: Shell, target: str) -> None:
    for prepare, status in (([], 1), (["apply", "b.dsl", "-t", "nft"], 1), (["apply", "a.dsl", "-t", target], 0)):
        if prepare:
            shell.svcc(*prepare)
        plan = follows("plan", shell.svcc("plan", "a.dsl", "-t", target, "--json", status=status).stdout)
        assert bool(plan["objects"]) == bool(status)
        services = {change["service"] for change in plan["objects"]}
        assert services <= {"web", "dns", None}


# ---- apply


@pytest.mark.parametrize("target", ["nft", "iptables"])
def test_applying_twice_changes_nothing_and_says_so(shell: Shell, target: str) -> None:
    others = shell.world.others()
    first = shell.svcc("apply", "a.dsl", "-t", target)
    assert first.stdout.startswith("Generation 1 is in place: ")
    again = shell.svcc("apply", "a.dsl", "-t", target)
    assert (again.stdout, again.stderr) == ("Nothing to do: generation 1 is in place.\n", "")
    assert shell.world.others() == others


def test_a_compiled_bundle_is_applied_as_it_was_reviewed(shell: Shell) -> None:
    for target, file in (("nft", "a.json"), ("iptables", "a.bundle")):
        (shell.folder / file).write_text(shell.svcc("compile", "a.dsl", "-t", target).stdout)
        shell.svcc("apply", file, "-t", target)
        assert shell.svcc("plan", "a.dsl", "-t", target).stdout.startswith("Nothing to do")
    said = shell.svcc("plan", "a.json", "-t", "nft", status=1).stdout
    assert said.startswith("All services move from iptables to nft.\n")


def test_the_ir_is_applied_from_standard_input(shell: Shell) -> None:
    text = shell.svcc("compile", "a.dsl", "-t", "ir").stdout
    shell.svcc("apply", "-", "-t", "nft", given=text)
    assert shell.endpoints() == A


def test_what_is_not_in_the_file_any_more_goes(shell: Shell) -> None:
    shell.svcc("apply", "a.dsl", "-t", "nft")
    shell.svcc("apply", "b.dsl", "-t", "nft")
    assert shell.endpoints() == B


def test_a_dry_run_checks_and_changes_nothing(shell: Shell) -> None:
    said = shell.svcc("apply", "a.dsl", "-t", "iptables", "--dry-run").stdout
    assert said.endswith("Every step that can be checked without taking it was checked; nothing was changed.\n")
    assert "CUSTOM-" not in shell.run("iptables-save").replace("CUSTOM services, but not ours", "")
    assert not (shell.folder / "state" / "custom").exists()


def test_wrong_input_is_refused_before_anything_else(shell: Shell) -> None:
    (shell.folder / "a.dsl").write_text("service web { vip 198.19.10.1; prot 80/tcp }\n")
    assert "error[SVC002]" in shell.svcc("apply", "a.dsl", "-t", "nft", status=2).stderr
    assert not (shell.folder / "state" / "custom").exists()


#: Another user, who may read what only root may: svcc itself may be below a home directory.
_AS_ANOTHER = [
    *("setpriv", "--reuid=65534", "--clear-groups"),
    *("--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search"),
]


def test_only_root_may(shell: Shell) -> None:
    for words in (["plan", "-", "-t", "nft"], ["apply", "-", "-t", "nft"], ["delete"], ["status"], ["restore"]):
        with shell.namespace.entered():
            done = subprocess.run(
                [*_AS_ANOTHER, *shell.words(*words)],
                input=PROGRAM, env=shell.environment(), capture_output=True, text=True, check=False,
            )  # fmt: skip
        assert (done.returncode, done.stdout) == (3, ""), done
        assert done.stderr == "svcc: rules can be read and changed by root only\n"


def test_what_the_kernel_refuses_is_led_back_to_the_service(shell: Shell) -> None:
    """iptables cannot know a match that its machine lacks: here, a module's tool plug-in is hidden from it."""
    shell.svcc("apply", "a.dsl", "-t", "iptables")
    (shell.folder / "c.dsl").write_text(PROGRAM.replace("port 53/udp", "affinity client-ip 5m; port 53/udp"))
    hidden = shell.folder / "xtables"
    hidden.mkdir()
    for plugin in Path("/usr/lib").glob("*/xtables/*.so"):
        if plugin.name != "libxt_recent.so":
            (hidden / plugin.name).symlink_to(plugin)
    before = shell.rules()
    os.environ["XTABLES_LIBDIR"] = str(hidden)
    try:
        said = shell.svcc("apply", "c.dsl", "-t", "iptables", status=4).stderr
    finally:
        del os.environ["XTABLES_LIBDIR"]
    assert "error[SVC070]: the kernel or its tools refuse part iptables of service dns" in said
    assert " --> c.dsl:8:" in said
    assert "recent" in said
    assert shell.rules() == before


def test_two_prefixes_stand_side_by_side(shell: Shell) -> None:
    (shell.folder / "c.dsl").write_text(PROGRAM.replace("CUSTOM", "OTHER").replace("198.19.10", "198.19.20"))
    shell.svcc("apply", "a.dsl", "-t", "nft")
    shell.svcc("apply", "c.dsl", "-t", "iptables")
    assert shell.svcc("plan", "a.dsl", "-t", "nft").returncode == 0
    said = shell.svcc("status", status=2).stderr
    assert "choose one with --prefix" in said
    shell.svcc("delete", "--prefix", "OTHER")
    assert shell.endpoints() == A


def test_a_prefix_that_would_take_anothers_chains_is_refused(shell: Shell) -> None:
    (shell.folder / "c.dsl").write_text(PROGRAM.replace("CUSTOM", "CUSTOM-B").replace("198.19.10", "198.19.20"))
    shell.svcc("apply", "a.dsl", "-t", "iptables")
    assert "cannot be told apart" in shell.svcc("apply", "c.dsl", "-t", "iptables", status=3).stderr


def test_interrupted_between_two_steps_everything_is_put_back(shell: Shell) -> None:
    shell.svcc("apply", "a.dsl", "-t", "iptables")
    held = shell.rules()
    with apply_at_work(shell) as process:
        process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=LID)
    assert process.returncode == 130, said
    assert said.endswith("svcc: interrupted by SIGINT: everything was put back as it was\n")
    assert shell.rules() == held


def test_what_whoever_started_it_ignores_does_not_interrupt(shell: Shell) -> None:
    """As nohup(1) ignores SIGHUP, and a script SIGINT for what it starts with ``&``."""
    shell.svcc("apply", "a.dsl", "-t", "iptables")
    with apply_at_work(shell, "sh", "-c", 'trap "" HUP INT; exec "$@"', "sh") as process:
        process.send_signal(signal.SIGHUP)
        process.send_signal(signal.SIGINT)
    process.communicate(timeout=LID)
    assert process.returncode == 0
    assert shell.svcc("plan", "b.dsl", "-t", "iptables").stdout.startswith("Nothing to do")


# ---- history, rollback, delete, restore, status


def test_history_and_rollback(shell: Shell) -> None:
    shell.svcc("apply", "a.dsl", "-t", "nft")
    shell.svcc("apply", "b.dsl", "-t", "nft")
    shell.svcc("rollback")
    assert shell.endpoints() == A
    shell.svcc("rollback", "2")
    assert shell.endpoints() == B
    found = follows("history", shell.svcc("history", "--json").stdout)
    assert found["current"] == 4
    assert [(one["number"], one["target"], one["note"]) for one in found["generations"]] == [
        (4, "nft", "rollback to 2"),
        (3, "nft", "rollback to 1"),
        (2, "nft", ""),
        (1, "nft", ""),
    ]
    assert "there is no generation 9" in shell.svcc("rollback", "9", status=3).stderr


def test_rollback_goes_back_to_another_target(shell: Shell) -> None:
    shell.svcc("apply", "a.dsl", "-t", "nft")
    shell.svcc("apply", "a.dsl", "-t", "iptables")
    assert shell.endpoints() == set()
    shell.svcc("rollback")
    assert shell.endpoints() == A
    assert "CUSTOM-SERVICES" not in shell.run("iptables-save")


def test_delete_removes_everything_of_ours_and_nothing_else(shell: Shell) -> None:
    others, rules = shell.world.others(), shell.rules()
    shell.svcc("apply", "a.dsl", "-t", "iptables")
    shell.svcc("apply", "a.dsl", "-t", "nft")
    said = shell.svcc("delete", "--dry-run").stdout.splitlines()
    assert said[:2] == [
        "- service dns (1 endpoint): 198.19.10.2:53/udp",
        "- service web (2 endpoints): 198.19.10.1:80/tcp, node port 30080/tcp",
    ]
    assert said[-1].startswith("2 services removed. Taken away: 2 services, 3 endpoints, 3 frontends (")
    assert shell.endpoints() == A
    shell.svcc("delete")
    assert shell.world.others() == others
    assert shell.rules() == rules
    assert "custom" not in shell.run("nft", "list", "tables")
    assert shell.svcc("delete").stdout == "Nothing to do: there is nothing of ours.\n"
    shell.svcc("rollback")
    assert shell.endpoints() == A


def test_delete_finds_what_was_loaded_by_hand(shell: Shell) -> None:
    others = shell.world.others()
    text = shell.svcc("compile", "a.dsl", "-t", "iptables", "--part", "iptables").stdout
    with shell.namespace.entered():
        subprocess.run(["iptables-restore", "--noflush"], input=text, text=True, check=True)
    shell.svcc("delete", "--prefix", "CUSTOM")
    assert "CUSTOM-SERVICES" not in shell.run("iptables-save")
    assert shell.world.others() == others


def test_status_shows_drift_and_a_plan_mends_it(shell: Shell) -> None:
    shell.svcc("apply", "a.dsl", "-t", "nft")
    assert "The kernel holds what was applied." in shell.svcc("status").stdout
    shell.run("nft", "delete element ip custom endpoint-0 { 198.19.10.1 . tcp . 80 }")
    found = json.loads(shell.svcc("status", "--json", status=1).stdout)
    assert [(one["verb"], one["service"]) for one in found["drift"]] == [("add", "web")]
    shell.svcc("plan", "a.dsl", "-t", "nft", status=1)
    shell.svcc("apply", "a.dsl", "-t", "nft")
    assert json.loads(shell.svcc("status", "--json").stdout)["drift"] == []


@pytest.mark.parametrize("target", ["nft", "iptables"])
def test_status_shows_endpoints_with_their_connections_and_what_went_over_them(shell: Shell, target: str) -> None:
    shell.svcc("apply", "a.dsl", "-t", target)
    shell.run("sysctl", "-qw", "net.netfilter.nf_conntrack_acct=1")
    shell.run("ip", "link", "set", "lo", "up")
    for address in ("100.64.0.3", "10.0.0.4"):
        shell.run("ip", "addr", "add", address, "dev", "lo")
    shell.run("ip", "route", "add", "default", "dev", "lo")
    with shell.namespace.entered(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("100.64.0.3", 53))
        with _client("198.19.10.2") as client:
            client.send(b"x")
            server.sendto(b"yes", server.recvfrom(10)[1])
            client.recv(10)
        lines = shell.svcc("status").stdout.splitlines()
        listeners = json.loads(shell.svcc("status", "--json").stdout)["listeners"]
    assert [line.split() for line in lines[1:7]] == [
        ["service", "frontend", "endpoint", "weight", "connections", "packets", "bytes", "bytes", "back"],
        ["dns", "198.19.10.2:53/udp", "100.64.0.3:53", "1", "1", "2", "29", "31"],
        ["web", "198.19.10.1:80/tcp", "100.64.0.1:8080", "1", "0"],
        ["100.64.0.2:8080", "1", "0"],
        ["node", "port", "30080/tcp", "100.64.0.1:8080", "1", "0"],
        ["100.64.0.2:8080", "1", "0"],
    ]
    volume = {"packets": 1, "bytes": 29, "packets_back": 1, "bytes_back": 31}
    assert [one["volume"] for listener in listeners for one in listener["endpoints"] if one["volume"]] == [volume]


def _client(address: str) -> socket.socket:
    client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    client.settimeout(LID)
    client.connect((address, 53))
    return client


def test_restore_puts_back_what_a_restart_took(shell: Shell, tmp_path: Path) -> None:
    shell.svcc("apply", "a.dsl", "-t", "nft")
    namespace = Namespace("restarted")
    try:
        shell.namespace = namespace
        assert shell.endpoints() == set()
        shell.svcc("restore")
        assert shell.endpoints() == A
        assert shell.svcc("restore").stdout.endswith("is in place.\n")
    finally:
        namespace.close()
    shell.namespace = Namespace("empty")
    (tmp_path / "state").rename(tmp_path / "elsewhere")
    assert shell.svcc("restore").stdout == "Nothing to do: nothing was applied here.\n"
    shell.namespace.close()


# ---- show, diff


def test_a_generation_is_shown_as_it_was_declared(shell: Shell) -> None:
    shell.svcc("apply", "a.dsl", "-t", "nft")
    shell.svcc("apply", "b.dsl", "-t", "nft")
    head, origin, *rest = shell.svcc("show", "1").stdout.splitlines()
    assert re.fullmatch(r"CUSTOM: generation 1: nft, \S+ by .+", head)
    assert re.fullmatch(r"from a\.dsl, node n, hash [0-9a-f]{12}", origin)
    assert rest == [
        "",
        "dns",
        "  vip 198.19.10.2",
        "  port 53/udp",
        "  endpoint 100.64.0.3:53",
        "",
        "web",
        "  vip 198.19.10.1",
        "  port 80/tcp -> 8080 nodeport 30080",
        "  endpoint 100.64.0.1:8080",
        "  endpoint 100.64.0.2:8080",
    ]
    assert shell.svcc("show").stdout.startswith("CUSTOM: generation 2 (in place): nft, ")
    found = follows("show", shell.svcc("show", "1", "--json").stdout)
    assert (found["current"], found["confirmed"], found["known"]) == (False, True, "program")
    assert found["program"] == json.loads(shell.svcc("compile", "a.dsl", "-t", "ir").stdout)
    rules = shell.svcc("show", "1", "--rules").stdout
    assert rules.partition("#: part nft\n")[2].startswith('{"nftables": [')
    assert "there is no generation 9" in shell.svcc("show", "9", status=3).stderr


def test_generations_are_compared_with_each_other_and_with_files(shell: Shell) -> None:
    shell.svcc("apply", "a.dsl", "-t", "nft")
    shell.svcc("apply", "b.dsl", "-t", "iptables")
    shell.svcc("delete")
    shell.svcc("rollback", "1")
    total = "\n1 service changed. Taken away: 1 endpoint.\n"
    assert shell.svcc("diff", "1", "2", status=1).stdout == f"{CHANGED}\n{total}"
    assert shell.svcc("diff", "4", "b.dsl", status=1).stdout == f"{CHANGED}\n{total}"
    assert shell.svcc("diff", "1", "a.dsl").stdout == "No service changes.\n"
    assert shell.svcc("diff", "1", "4").stdout == "No service changes.\n"
    assert shell.svcc("diff", "2", "3", status=1).stdout.startswith("- service dns (1 endpoint): ")
    assert "element" in shell.svcc("diff", "1", "b.dsl", "--objects", status=1).stdout


def test_a_generation_without_its_program_is_compared_by_its_frontends(shell: Shell) -> None:
    """As an earlier svcc recorded them; and as damage may leave them."""
    shell.svcc("apply", "a.dsl", "-t", "nft")
    path = shell.folder / "state/custom/000001.program"
    for spoil in (path.unlink, lambda: path.write_text("{")):
        spoil()
        said = shell.svcc("diff", "1", "b.dsl", status=1).stdout
        assert said.splitlines()[0] == CHANGED
        assert "its settings are not compared" in said
        assert shell.svcc("diff", "1", "a.dsl").returncode == 0
        assert "  endpoint 100.64.0.2:8080" in shell.svcc("show", "1").stdout
        assert blocks(shell.svcc("plan", "b.dsl", "-t", "nft", status=1).stdout)[0].splitlines()[0] == CHANGED


def test_a_generation_of_a_bundle_is_shown_as_clients_reach_it(shell: Shell) -> None:
    (shell.folder / "a.json").write_text(shell.svcc("compile", "a.dsl", "-t", "nft").stdout)
    shell.svcc("apply", "a.json", "-t", "nft")
    lines = shell.svcc("show").stdout.splitlines()
    assert [line for line in lines if line and line[0] != " "][2:] == [
        "It was applied from a bundle: only what its rules serve is known.",
        "198.19.10.1:80/tcp",
        "198.19.10.2:53/udp",
        "node port 30080/tcp",
    ]
    assert follows("show", shell.svcc("show", "--json").stdout)["known"] == "rules"


# ---- confirm


def put_back(shell: Shell, endpoints: set[str]) -> str:
    """Wait until all is as it was before; returns the history."""
    until(lambda: shell.endpoints() == endpoints, f"the endpoints are {endpoints}")
    until(lambda: not (shell.folder / "state/custom/confirm.json").exists(), "nothing is under way any more")
    return shell.svcc("history").stdout


def test_what_is_not_confirmed_goes_again(shell: Shell) -> None:
    shell.svcc("apply", "a.dsl", "-t", "nft")
    said = shell.svcc("apply", "b.dsl", "-t", "nft", "--confirm", "600").stdout
    assert said.endswith("It goes again in 600 seconds, unless you keep it: svcc confirm\n")
    assert shell.endpoints() == B
    assert "waits" in shell.svcc("apply", "a.dsl", "-t", "nft", status=3).stderr
    time_runs_out(shell)
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


def test_a_failed_apply_leaves_nothing_to_confirm(shell: Shell) -> None:
    shell.svcc("apply", "a.dsl", "-t", "nft")
    (shell.folder / "bin").mkdir()
    for tool in ("iptables-restore", "iptables-nft-restore"):
        path = shell.folder / "bin" / tool
        path.write_text("#!/bin/sh\nexit 1\n")
        path.chmod(0o755)
    before = os.environ["PATH"]
    os.environ["PATH"] = f"{shell.folder / 'bin'}:{before}"
    try:
        shell.svcc("apply", "b.dsl", "-t", "iptables", "--confirm", "600", status=4)
    finally:
        os.environ["PATH"] = before
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
    hear(terminal, b"unless you keep it: svcc confirm")
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


@pytest.mark.parametrize("target", ["nft", "iptables"])
def test_an_address_of_the_machine_s_own_is_refused_by_plan_and_apply(shell: Shell, target: str) -> None:
    with shell.namespace.entered():
        subprocess.run(["ip", "address", "add", "198.19.10.2/32", "dev", "lo"], check=True)
    reason = (
        "  198.19.10.2 is on device lo of this machine; to take the declared ports alone, "
        "and leave the machine its others, write `198.19.10.2 shared`\n\n"
    )
    planned = shell.svcc("plan", "a.dsl", "-t", target, status=3)
    assert planned.stderr == f"svcc: `svcc apply` would be refused:\n{reason}"
    assert shell.svcc("apply", "a.dsl", "-t", target, "-q", status=3).stderr == f"svcc: nothing was changed:\n{reason}"
    assert shell.svcc("plan", "a.dsl", "-t", target, status=3).stdout == planned.stdout


def test_a_bundle_in_nft_s_own_language_is_taken(shell: Shell) -> None:
    text = shell.svcc("compile", "a.dsl", "-t", "nft", "--syntax", "nft").stdout
    shell.svcc("compile", "a.dsl", "-t", "nft", "--syntax", "nft", "-o", "out")
    (shell.folder / "a.nft").write_text(text)
    shell.svcc("apply", "a.nft", "-t", "nft")
    assert shell.endpoints() == A
    for file in ("a.dsl", "a.nft", "out"):
        shell.svcc("plan", file, "-t", "nft")
    shell.svcc("compile", "b.dsl", "-t", "nft", "-o", "other")
    (shell.folder / "other" / "nft.nft").write_text(text)
    said = shell.svcc("apply", "other", "-t", "nft", status=2).stderr
    assert "part nft is here twice: as nft.json and nft.nft" in said
    (shell.folder / "a.nft").write_text(text.replace(" : 100.64.0.1,", " : 100.64.0.1 ,"))
    assert "error[SVC066]" in shell.svcc("apply", "a.nft", "-t", "nft", status=2).stderr
    assert shell.endpoints() == A


@pytest.mark.parametrize("variant", ["legacy", "nft"])
def test_rules_stay_in_the_variant_that_has_them(shell: Shell, variant: str) -> None:
    """Also where the machine's own ``iptables`` is the other one, and however often they are changed."""
    rules = shell.folder / "rules"
    rules.write_text(shell.svcc("compile", "a.dsl", "-t", "iptables", "--part", "iptables").stdout)
    shell.run(f"iptables-{variant}-restore", "--noflush", str(rules))
    for file in ("a.dsl", "b.dsl", "a.dsl", "b.dsl"):
        shell.svcc("apply", file, "-t", "iptables")
        shell.svcc("status")
    assert "100.64.0.4" in shell.run(f"iptables-{variant}-save")
    other = {"legacy": "nft", "nft": "legacy"}[variant]
    assert ":CUSTOM-" not in shell.run(f"iptables-{other}-save")
