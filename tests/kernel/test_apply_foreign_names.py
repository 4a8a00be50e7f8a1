"""Chains, sets and tables of somebody's whose names begin with the prefix: nothing of them is ever changed."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner

from support.apply_states import inside, run
from svcc.command_line import svcc
from svcc.exits import Exit

pytestmark = pytest.mark.kernel

PROGRAM = "cluster {{ prefix {} }}\nservice web {{ vip 198.19.0.1; port 80/tcp; endpoints {{ 100.64.0.1 }} }}\n"
KUBE = """\
*nat
:KUBE-SERVICES - [0:0]
:KUBE-SVC-NPX - [0:0]
-A PREROUTING -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
-A KUBE-SERVICES -d 10.96.0.1/32 -p tcp -m comment --comment "default:https" -m tcp --dport 443 -j KUBE-SVC-NPX
COMMIT
"""
DOCKER = """\
*filter
:DOCKER-USER - [0:0]
-A FORWARD -j DOCKER-USER
-A DOCKER-USER -j RETURN
COMMIT
"""
LISTED = "iptables-nft-save", "iptables-legacy-save", "ipset save", "nft list ruleset"

#: A prefix, what somebody has under it, and what is named.
THEIRS: dict[str, tuple[str, str, str, str]] = {
    "kube-proxy, nft": (
        "KUBE",
        "iptables-nft-restore",
        KUBE,
        "chain KUBE-SERVICES (table nat) is",
    ),
    "kube-proxy, legacy": (
        "KUBE",
        "iptables-legacy-restore",
        KUBE,
        "chain KUBE-SERVICES (table nat) is",
    ),
    "docker": ("DOCKER", "iptables-nft-restore", DOCKER, "chain DOCKER-USER (table filter) is"),
    "a set": (
        "EDGE",
        "ipset restore",
        "create EDGE-BLOCKED hash:net\nadd EDGE-BLOCKED 192.0.2.0/24\n",
        "set EDGE-BLOCKED is",
    ),
}


def invoke(command: str, state: Path, *words: str) -> tuple[int, str]:
    result = CliRunner().invoke(svcc, [command, *words, "--state-dir", str(state)])
    return result.exit_code, result.output


def listed() -> list[str]:
    said = (subprocess.run(tool.split(), capture_output=True, text=True, check=True).stdout for tool in LISTED)
    return ["\n".join(one for one in text.splitlines() if not one.startswith(("#", ":"))) for text in said]


@pytest.mark.parametrize("target", ["nft", "iptables"])
@pytest.mark.parametrize(("prefix", "tool", "text", "named"), THEIRS.values(), ids=THEIRS.keys())
def test_what_somebody_has_under_the_prefix_stays(
    prefix: str, tool: str, text: str, named: str, target: str, tmp_path: Path
) -> None:
    file, state = tmp_path / "a.dsl", tmp_path / "state"
    file.write_text(PROGRAM.format(prefix))
    with inside(loopback=True):
        run(tool, text)
        before = listed()
        for status, output in (
            invoke("plan", state, str(file), "-t", target),
            invoke("apply", state, str(file), "-t", target),
            invoke("delete", state, "--prefix", prefix, "--yes"),
        ):
            assert status == Exit.MACHINE, output
            assert f"{named} not svcc's, as no target makes" in " ".join(output.split())
        assert listed() == before


def test_a_table_of_somebody_s_stays_where_another_target_is_applied(tmp_path: Path) -> None:
    """What is recorded of iptables says nothing of a table of nft."""
    file, state = tmp_path / "a.dsl", tmp_path / "state"
    file.write_text(PROGRAM.format("EDGE"))
    with inside(loopback=True):
        assert invoke("apply", state, str(file), "-t", "iptables")[0] == Exit.DONE
        run("nft -f -", "table ip edge { chain guard { type filter hook input priority 0; policy accept; }; }\n")
        before = run("nft list table ip edge")
        file.write_text(PROGRAM.format("EDGE").replace("100.64.0.1", "100.64.0.2"))
        for status, output in (
            invoke("apply", state, str(file), "-t", "iptables"),
            invoke("apply", state, str(file), "-t", "nft"),
            invoke("delete", state, "--yes"),
        ):
            assert status == Exit.MACHINE, output
            assert "table ip edge is not svcc's: it has a base chain guard" in " ".join(output.split())
        assert run("nft list table ip edge") == before


#: Names that somebody may choose, with the prefix where listings of them break, and what is no letter in them.
_ODD = 'w"\\\x01', "w\nEDGE-A", "w\vEDGE-A", "w\u2028EDGE-A", "w EDGE-A"


@pytest.mark.parametrize("target", ["nft", "iptables"])
def test_whatever_others_are_called_ours_is_read(target: str, tmp_path: Path) -> None:
    """By `ip -json`, which prints control characters as they are, and `ipset list -n`, which does so with line ends."""
    file, state = tmp_path / "a.dsl", tmp_path / "state"
    file.write_text(PROGRAM.format("EDGE"))
    with inside(loopback=True):
        for name in _ODD:
            subprocess.run(["ipset", "create", name, "hash:ip"], check=True)
        for number, name in enumerate(name for name in _ODD if not {*name} & {*" \n\v"}):  # the kernel takes no others
            words = ["ip", "link", "add", name, "type", "veth", "peer", "name", f"peer{number}"]
            subprocess.run(words, check=True)
            subprocess.run(["ip", "address", "add", f"10.0.{number}.1/24", "dev", name], check=True)
        before = run("ipset save")
        for command in (["apply", str(file), "-t", target], ["plan", str(file), "-t", target], ["status"], ["delete"]):
            status, output = invoke(command[0], state, *command[1:])
            assert status == Exit.DONE, output
        assert run("ipset save") == before


def test_what_was_loaded_by_hand_is_taken_over(tmp_path: Path) -> None:
    file, state = tmp_path / "a.dsl", tmp_path / "state"
    file.write_text(PROGRAM.format("EDGE"))
    with inside(loopback=True):
        text = CliRunner().invoke(svcc, ["compile", str(file), "-t", "iptables", "--part", "iptables"]).output
        run("iptables-nft-restore --noflush", text)
        status, output = invoke("apply", state, str(file), "-t", "iptables")
        assert status == Exit.DONE, output


#: What an operator makes by hand, each under the prefix EDGE.
_BY_HAND = """\
ipset create EDGE-BLOCK hash:ip
ipset add EDGE-BLOCK 192.0.2.1
iptables-nft -A INPUT -m set --match-set EDGE-BLOCK src -j DROP
iptables-nft -N EDGE-FOO
iptables-nft -A EDGE-FOO -s 192.0.2.2 -j DROP
iptables-nft -I INPUT -j EDGE-FOO
iptables-nft -t mangle -N EDGE-FOO
iptables-nft -t raw -N EDGE-RAW
"""


def by_hand() -> None:
    for command in _BY_HAND.splitlines():
        run(command)


def theirs() -> list[str]:
    rules = run("iptables-nft-save").splitlines()
    return [line for line in (*rules, *run("ipset save").splitlines()) if re.search("EDGE-(BLOCK|FOO|RAW)", line)]


@pytest.mark.parametrize("target", ["nft", "iptables"])
def test_what_somebody_adds_under_a_prefix_in_use_is_named_and_stays(target: str, tmp_path: Path) -> None:
    file, other, state = tmp_path / "a.dsl", tmp_path / "b.dsl", tmp_path / "state"
    file.write_text(PROGRAM.format("EDGE"))
    other.write_text(PROGRAM.format("EDGE").replace("100.64.0.1", "100.64.0.2"))
    with inside(loopback=True):
        assert invoke("apply", state, str(file), "-t", target)[0] == Exit.DONE
        by_hand()
        before, there = listed(), theirs()
        for words in (
            ("plan", str(file), "-t", target),
            ("apply", str(file), "-t", target),
            ("plan", str(other), "-t", target),
            ("apply", str(other), "-t", target, "--dry-run"),
            ("apply", str(other), "-t", target),
            ("delete", "--dry-run"),
            ("delete", "--yes"),
        ):
            status, output = invoke(words[0], state, *words[1:])
            assert status == Exit.MACHINE, output
            assert "set EDGE-BLOCK is not svcc's" in output
            assert "chains EDGE-FOO (table filter), EDGE-FOO (table mangle), EDGE-RAW (table raw) are not" in output
            assert "destroyed" not in output
            assert listed() == before
        assert invoke("status", state)[0] == Exit.DONE
        assert theirs() == there


@pytest.mark.parametrize("target", ["nft", "iptables"])
def test_going_back_does_not_depend_on_what_somebody_adds(target: str, tmp_path: Path) -> None:
    file, other, state = tmp_path / "a.dsl", tmp_path / "b.dsl", tmp_path / "state"
    file.write_text(PROGRAM.format("EDGE"))
    other.write_text(PROGRAM.format("EDGE").replace("web", "api"))
    with inside(loopback=True):
        assert invoke("apply", state, str(file), "-t", target)[0] == Exit.DONE
        first = ours()
        assert invoke("apply", state, str(other), "-t", "nft", "--confirm", "600")[0] == Exit.DONE
        by_hand()
        there = theirs()
        status, output = invoke("rollback", state)
        assert (status, output) == (Exit.DONE, "generation 2 was not confirmed: generation 1 is back\n")
        assert (ours(), theirs()) == (first, there)
        run("nft flush ruleset")
        assert invoke("restore", state)[0] == Exit.DONE
        assert ours() == first


def ours() -> list[str]:
    """Return the rules of svcc, in no order: those that no one else here makes."""
    lines = "\n".join(listed()).splitlines()
    return sorted(line for line in lines if "100.64." in line or "EDGE-S" in line or "EDGE-UNSERVED" in line)


def test_a_table_of_somebody_s_stays_where_svcc_goes_back_to_another_target(tmp_path: Path) -> None:
    file, other, state = tmp_path / "a.dsl", tmp_path / "b.dsl", tmp_path / "state"
    file.write_text(PROGRAM.format("EDGE"))
    other.write_text(PROGRAM.format("EDGE").replace("100.64.0.1", "100.64.0.2"))
    with inside(loopback=True):
        assert invoke("apply", state, str(file), "-t", "iptables")[0] == Exit.DONE
        assert invoke("apply", state, str(other), "-t", "iptables", "--confirm", "600")[0] == Exit.DONE
        run("nft -f -", "table ip edge { chain guard { type filter hook input priority 0; policy accept; }; }\n")
        before = run("nft list table ip edge")
        assert invoke("rollback", state)[0] == Exit.DONE
        assert run("nft list table ip edge") == before
