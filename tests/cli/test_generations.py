"""history, rollback, delete, restore, status, show and diff of what was applied."""

from __future__ import annotations

import json
import re
import socket
import subprocess
from pathlib import Path

import pytest

from support.schemas import follows
from support.shell import CHANGED, A, B, Shell, blocks
from support.waiting import LID
from svcc.kernel.namespaces import Namespace

pytestmark = pytest.mark.kernel


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
    assert "there is no generation 9" in shell.svcc("rollback", "9", status=2).stderr


@pytest.mark.parametrize("words", [("restore",), ("apply", "b.dsl", "-t", "nft")])
def test_what_is_put_back_is_no_further_generation(shell: Shell, words: tuple[str, ...]) -> None:
    """However often the machine starts, or a firewall is loaded again, there is something to go back to."""
    shell.svcc("apply", "a.dsl", "-t", "nft")
    shell.svcc("apply", "b.dsl", "-t", "nft")
    before = shell.svcc("history").stdout
    for _ in range(22):
        shell.run("nft", "flush", "ruleset")
        assert "eneration 2 is in place again" in shell.svcc(*words).stdout
    assert shell.endpoints() == B
    assert shell.svcc("history").stdout == before
    assert "health has it" not in shell.svcc("status").stdout
    assert shell.svcc("apply", "b.dsl", "-t", "nft").stdout == "Nothing to do: generation 2 is in place.\n"
    shell.svcc("rollback")
    assert shell.endpoints() == A


def test_what_is_applied_again_goes_back_to_itself_where_it_is_not_confirmed(shell: Shell) -> None:
    shell.svcc("apply", "a.dsl", "-t", "nft")
    shell.svcc("apply", "b.dsl", "-t", "nft")
    shell.run("nft", "flush", "ruleset")
    shell.svcc("apply", "b.dsl", "-t", "nft", "--confirm", "600")
    assert "generation 3 was not confirmed: generation 2 is back" in shell.svcc("rollback").stdout
    assert shell.endpoints() == B
    shell.svcc("rollback")
    assert shell.endpoints() == A


def test_rollback_to_the_generation_in_place_puts_right_what_somebody_changed(shell: Shell) -> None:
    shell.svcc("apply", "a.dsl", "-t", "nft")
    assert shell.svcc("rollback", "1").stdout == "Nothing to do: generation 1 is in place.\n"
    said = follows("rollback", shell.svcc("rollback", "1", "--json").stdout)
    assert (said["changed"], said["generation"], said["again"]) == (False, 1, 1)
    shell.run("nft", "flush", "chain", "ip", "custom", "dispatch")
    assert shell.svcc("rollback", "1").stdout.endswith("Generation 1 is in place again, as generation 2.\n")


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


@pytest.mark.parametrize("target", ["nft", "iptables"])
def test_restore_puts_back_also_what_has_become_the_machines_own_address(shell: Shell, target: str) -> None:
    """One such address would else end all services at the next start of the machine. It is told beforehand."""
    shell.svcc("apply", "a.dsl", "-t", target)
    shell.run("ip", "address", "add", "198.19.10.2", "dev", "lo")
    state = "is on device lo of this machine"
    remedy = "to take only the declared ports, and leave the others to the machine, write `198.19.10.2 shared`"
    warning = f"svcc: warning: 198.19.10.2 {state}; {remedy}\n  The next change of rules will be refused for that.\n"
    assert shell.svcc("status").stderr == warning
    found = json.loads(shell.svcc("doctor", "-t", target, "--json").stdout)["findings"]
    assert found[-1] == {
        "target": target,
        "subject": "service address 198.19.10.2",
        "state": f"{state}; the next change of rules will be refused",
        "remedy": remedy,
        "fatal": False,
        "lacking": False,
    }
    shell.run("nft", "flush", "ruleset")
    for variant in ("nft", "legacy"):
        for table in ("nat", "filter"):
            shell.run(f"iptables-{variant}", "-t", table, "-F")
    shell.svcc("status", status=1)
    assert shell.svcc("restore", "-q").stderr == warning
    assert shell.svcc("status").stdout.endswith("The kernel holds what was applied.\n")
    assert shell.svcc("apply", "b.dsl", "-t", target, status=3).stderr.startswith(
        f"svcc: nothing was changed:\n  198.19.10.2 {state}; {remedy}\n"
    )


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
    assert "there is no generation 9" in shell.svcc("show", "9", status=2).stderr


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
