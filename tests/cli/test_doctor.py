"""What the doctor says where not all can be done: in containers with few rights, beside tables that nft wrote into."""

from __future__ import annotations

import json
import subprocess

import pytest

from support.broken_tools import broken_tools
from support.shell import A, Shell

pytestmark = pytest.mark.kernel


def without(shell: Shell, right: str, *words: str) -> subprocess.CompletedProcess[str]:
    """Svcc in the shell's namespace, without one capability."""
    return started(shell, ["setpriv", f"--bounding-set=-{right}", f"--inh-caps=-{right}"], *words)


def started(shell: Shell, by: list[str], *words: str) -> subprocess.CompletedProcess[str]:
    command = [*by, *shell.words(*words)]
    with shell.namespace.entered():
        return subprocess.run(
            command, env=shell.environment(), cwd=shell.folder, capture_output=True, text=True, check=False
        )


def test_who_may_make_no_namespaces_is_told_so_by_the_doctor(shell: Shell) -> None:
    said = without(shell, "sys_admin", "doctor", "-t", "nft", "--json")
    assert (said.returncode, said.stderr) == (0, "")
    trials = [one for one in json.loads(said.stdout)["findings"] if one["subject"] == "loading a trial program"]
    assert [one["state"] for one in trials] == ["not tried"]
    assert without(shell, "sys_admin", "apply", "a.dsl", "-t", "nft", "-q").returncode == 0
    assert shell.endpoints() == A


@pytest.mark.parametrize(
    ("by", "remedy"),
    [
        (
            ["setpriv", "--bounding-set=-all", "--inh-caps=-all"],
            "rules need CAP_NET_ADMIN (of a container: --cap-add NET_ADMIN)",
        ),
        (["unshare", "--user", "--map-root-user"], "run as root of the user namespace that has this network"),
    ],
    ids=["no capabilities", "root of a user namespace"],
)
def test_who_may_change_no_rules_is_not_told_that_all_is_well(shell: Shell, by: list[str], remedy: str) -> None:
    if subprocess.run([*by, "true"], capture_output=True, check=False).returncode:
        pytest.skip("this machine's root may make no user namespace, as in a chroot")
    said = started(shell, by, "doctor", "-t", "nft", "--json")
    assert (said.returncode, said.stderr) == (3, "")
    lacking = [one for one in json.loads(said.stdout)["findings"] if one["fatal"] and one["remedy"]]
    assert [one["remedy"] for one in lacking] == [remedy]
    assert started(shell, by, "apply", "a.dsl", "-t", "nft", "-q").returncode == 3


@pytest.mark.parametrize("target", ["nft", "iptables"])
def test_what_keeps_packets_from_the_services_that_are_applied_is_named(shell: Shell, target: str) -> None:
    """And nothing of that before they are, but what keeps packets from any service."""
    shell.run("sysctl", "-qw", "net.ipv4.ip_forward=0")
    shell.run("iptables", "-P", "FORWARD", "DROP")

    def found() -> dict[str, str]:
        said = json.loads(shell.svcc("doctor", "-t", target, "--json").stdout)["findings"]
        return {one["subject"]: one["remedy"].partition(" (")[0] for one in said if one["remedy"]}

    any_service = {
        "IPv4 forwarding": "sysctl -w net.ipv4.ip_forward=1",
        "IPv6 forwarding": "sysctl -w net.ipv6.conf.all.forwarding=1",
        "iptables filter FORWARD": "iptables -I FORWARD -m conntrack --ctstate DNAT -j ACCEPT",
    }
    assert found() == any_service
    shell.svcc("apply", "a.dsl", "-t", target)
    of_these = {  # one of each network
        "route to endpoint 100.64.0.3": "ip route replace 100.64.0.3/32 via ROUTER",
        "route to service address 198.19.10.1": "ip route add default via ROUTER",
    }
    assert found() == any_service | of_these


def test_what_cannot_be_read_is_named_before_an_apply_is_tried(shell: Shell) -> None:
    with broken_tools(shell.folder, "iptables-save", "iptables-nft-save", "iptables-legacy-save"):
        for target in ("iptables", "nft"):
            found = json.loads(shell.svcc("doctor", "-t", target, "--json", status=3).stdout)["findings"]
            assert [one["subject"] for one in found if "broken" in one["state"]] == ["iptables as it is"]
        assert "broken" in shell.svcc("apply", "a.dsl", "-t", "nft", status=3).stderr


def test_tables_that_iptables_cannot_read_are_named_before_an_apply_is_tried(shell: Shell) -> None:
    """Rules that nft put into a table of iptables' stop iptables-save, and so every apply there."""
    words = ("add table ip filter", "add chain ip filter x", "add rule ip filter x ct mark set meta mark map { 1 : 2 }")
    shell.run("nft", "; ".join(words))
    refused = shell.svcc("apply", "a.dsl", "-t", "iptables", status=3)
    assert "cannot read table filter: nft put rules of its own there" in refused.stderr
    said = shell.svcc("doctor", "-t", "iptables", "--json", status=3)
    lacking = [one for one in json.loads(said.stdout)["findings"] if one["fatal"] and one["remedy"]]
    assert [(one["subject"], one["state"]) for one in lacking] == [
        ("iptables table filter", "holds rules of nft's own")
    ]
    assert shell.svcc("doctor", "-t", "nft", "--json").returncode == 0
