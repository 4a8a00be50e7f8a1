"""``svcc verify`` on every example, with every release and variant of the tools: real packets against the reference."""

from __future__ import annotations

import json
import os
import re
import shlex
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from click.testing import CliRunner, Result

from support.files import EXAMPLES, PROGRAMS, WHOLE_SERVICE
from support.schemas import follows
from support.tools.nft import nft
from support.tools.project import ROOT
from svcc.command_line import svcc
from svcc.compiler import ir
from svcc.kernel.tools import find
from svcc.targets import targets
from svcc.targets.interface import Artifact, Assembly, Bundle, Shared, TargetByService

POLICIES = PROGRAMS / "policies.dsl"
NETWORKS = PROGRAMS / "client-networks.dsl"
SHARED = PROGRAMS / "shared.dsl"
ANNOUNCED = ROOT / "examples" / "announced.dsl"

#: Each way to run a target's tools: the target, and what its tools are called here.
KERNEL = ("nft installed", "nft trixie", "nft sid", "iptables nft", "iptables legacy")

pytestmark = pytest.mark.kernel


@pytest.fixture
def ways(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str) -> str:
    """Puts the tools of a way first in PATH; the name of its target."""
    target, variant = way.split()
    tools = tmp_path / "tools"
    tools.mkdir()
    if target == "nft" and variant != "installed":
        (tools / "nft").write_text(f'#!/bin/sh\nexec {shlex.join(nft(variant))} "$@"\n')
        (tools / "nft").chmod(0o755)
    elif target == "iptables":
        for name in ("iptables", "ip6tables"):
            path = find(f"{name}-{variant}-restore")
            assert path is not None, f"{name}-{variant}-restore is not installed"
            (tools / f"{name}-restore").symlink_to(path)
    monkeypatch.setenv("PATH", f"{tools}:{os.environ['PATH']}")
    return target


def verify(path: Path, target: str, *options: str) -> Result:
    return CliRunner().invoke(svcc, ["verify", "-q", "-t", target, *options, str(path)], catch_exceptions=False)


@pytest.mark.slow
@pytest.mark.parametrize("way", KERNEL)
@pytest.mark.parametrize("path", [path for path in EXAMPLES if path != ANNOUNCED], ids=lambda path: path.stem)
def test_examples_do_what_they_mean(path: Path, ways: str) -> None:
    result = verify(path, ways, "-c", "60")
    assert result.exit_code == 0, result.output


@pytest.mark.vm
@pytest.mark.slow
@pytest.mark.parametrize("way", ["iptables legacy"])
def test_what_is_announced_does_what_it_means(ways: str) -> None:
    """On a kernel that has dummy devices, as not every machine's has."""
    result = verify(ANNOUNCED, ways, "-c", "30")
    assert result.exit_code == 0, result.output


@pytest.mark.slow
@pytest.mark.parametrize("way", KERNEL)
@pytest.mark.parametrize("path", [POLICIES, SHARED, NETWORKS, WHOLE_SERVICE], ids=lambda path: path.stem)
def test_policies_do_what_they_mean(path: Path, ways: str) -> None:
    result = verify(path, ways, "-c", "30", *(["--node", "here"] if path.parent == PROGRAMS else []))
    assert result.exit_code == 0, result.output


@pytest.mark.vm
@pytest.mark.slow
@pytest.mark.parametrize("path", [*EXAMPLES, *sorted(PROGRAMS.glob("*.dsl"))], ids=lambda path: path.stem)
def test_ipvs_does_what_they_mean(path: Path) -> None:
    node = ["--node", "here"] if path.parent == PROGRAMS else []
    result = verify(path, "ipvs", "-c", "30", *node)
    assert result.exit_code == 0, result.output


# ---- with an agent

CLUSTER = ROOT / "examples" / "custom-cluster.dsl"


def agent_shares(*options: str, target: str) -> dict[str, dict[str, int]]:
    """Where connections to the first service's vip went, by what had happened before, without the seconds."""
    result = verify(CLUSTER, target, "--agent", "--json", *options)
    found = follows("verify", result.output)
    assert (result.exit_code, found["failed"]) == (0, 0), result.output
    rows = [one for one in found["cases"] if one["frontend"].startswith("service-1 vip")]
    return {re.sub(r"^[0-9.]+ s ", "", one["vantage"]): one["seen"] for one in rows}


def _an_endpoint_dies_and_comes_back(target: str) -> None:
    both, one = {"100.64.0.9:8080": 10, "100.64.0.19:8080": 10}, {"100.64.0.19:8080": 20}
    assert agent_shares("-c", "20", target=target) == {
        "all are up": both,
        "after the server of 100.64.0.9 died": one,
        "after the server of 100.64.0.9 came back": both,
        "after pod 100.64.0.9 died": one,
        "after pod 100.64.0.9 came back": both,
        "an open connection": {"100.64.0.19": 1},
    }


@pytest.mark.parametrize("way", ["nft installed", "iptables nft", "iptables legacy"])
def test_an_endpoint_dies_and_comes_back(ways: str) -> None:
    _an_endpoint_dies_and_comes_back(ways)


@pytest.mark.vm
def test_an_endpoint_of_ipvs_dies_and_comes_back() -> None:
    _an_endpoint_dies_and_comes_back("ipvs")


def test_an_agent_that_does_nothing_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("svcc.agent.trial._drained", lambda program, _: program)  # as if both were to serve on
    result = verify(CLUSTER, "nft", "--agent", "-c", "4")
    assert result.exit_code == 1
    assert "turns are exact: expected 100.64.0.9:8080 2" in " ".join(result.output.split())


def test_without_two_endpoints_there_is_nothing_to_try(tmp_path: Path) -> None:
    (tmp_path / "x.dsl").write_text("service s { vip 198.19.0.1; port 80/tcp; endpoints { 100.64.0.1 } }\n")
    result = verify(tmp_path / "x.dsl", "nft", "--agent")
    assert result.exit_code == 3
    assert "no service of this program has a tcp port and two endpoints" in result.output


@pytest.mark.slow
@pytest.mark.parametrize("way", ["nft installed"])
def test_hashes_of_ports_do_what_they_mean(ways: str) -> None:
    result = verify(PROGRAMS / "by-port.dsl", ways, "-c", "30", "--node", "here")
    assert result.exit_code == 0, result.output


# ---- and it is not blind


def break_iptables(monkeypatch: pytest.MonkeyPatch, was: str, becomes: str) -> None:
    """Have the target print something else."""
    target = targets()["iptables"]
    assert isinstance(target, TargetByService)
    assembly = type(target.assembly(Shared(ir.Cluster(), None, ())))
    printed = assembly.bundle

    def broken(self: Assembly) -> Bundle:
        bundle = printed(self)
        assert any(was in artifact.text for artifact in bundle.artifacts)
        parts = tuple(Artifact(a.part, a.text.replace(was, becomes)) for a in bundle.artifacts)
        return Bundle(bundle.target, bundle.node, parts)

    monkeypatch.setattr(assembly, "bundle", broken)


REJECT, PORT = "-A CUSTOM-REJECT", "-j REJECT --reject-with icmp-port-unreachable\n"


@pytest.mark.parametrize(
    ("was", "becomes", "finding"),
    [
        ("--every 2 --packet 0", "--every 3 --packet 0", "turns are exact"),
        ("100.64.0.19:8080", "100.64.0.20:8080", "none of its endpoints"),
        ("--to-destination 100.64.0.19:8080", "--to-destination 100.64.0.19:8081", "expected an answer, got refused"),
        ("-A CUSTOM-MARK -j MARK --set-xmark 0x4000/0x4000\n", "", "to be masqueraded"),
        ("-A CUSTOM-OUTSIDE -s 100.64.0.0/24 -j RETURN\n", "", "to be kept"),
        ("-A CUSTOM-UNSERVED -d 198.19.10.0/32 -g CUSTOM-REJECT\n", "", "expected reject"),
        (f"{REJECT} -p udp {PORT}", f"{REJECT} -p icmp {PORT}", "expected to pass untouched, got refused"),
        ("29 0 1 0,6 0 0 65535,6 0 0 0", "29 0 1 0,6 0 0 0,6 0 0 65535", "to be kept"),
    ],
)
def test_a_broken_rule_is_found(was: str, becomes: str, finding: str, monkeypatch: pytest.MonkeyPatch) -> None:
    break_iptables(monkeypatch, was, becomes)
    result = verify(ROOT / "examples" / "custom-cluster.dsl", "iptables", "-c", "10", "--json")
    assert result.exit_code == 1
    assert any(finding in (case["deviation"] or "") for case in json.loads(result.output)["cases"])


_ON_THE_NODE = """\
cluster { pods 100.64.0.0/24 fd00:64::/64 }
node here { address 10.0.0.4 fd00:10::4 }
service own { vip 198.19.10.0 fd00:19::10; port 80/tcp -> 8080 nodeport 30080; endpoints { 10.0.0.4; fd00:10::4 } }
"""


def test_a_source_that_is_rewritten_on_the_node_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An endpoint on the node sees from which of its addresses the node connects."""
    file = tmp_path / "own.dsl"
    file.write_text(_ON_THE_NODE)
    for target in ("nft", "iptables"):
        result = verify(file, target, "-c", "3")
        assert result.exit_code == 0, result.output
    break_iptables(monkeypatch, "MASQUERADE ! -o lo -j", "MASQUERADE -j")
    result = verify(file, "iptables", "-c", "3", "--json")
    found = {case["vantage"] for case in json.loads(result.output)["cases"] if case["deviation"]}
    assert (result.exit_code, found) == (1, {"the node, by another address"})


def test_a_port_that_remembers_for_itself_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = targets()["iptables"]
    assert isinstance(target, TargetByService)
    assembled = target.assembled

    def apart(program: ir.Program, node: ir.Node | None) -> Assembly:
        services = tuple(replace(service, affinity_per_service=False) for service in program.services)
        return assembled(replace(program, services=services), node)

    file = tmp_path / "many-ports.dsl"  # one in 500,000 clients has one endpoint at all of them by chance
    ports = "; ".join(f"port p{port} {port}/tcp" for port in range(8000, 8020))
    endpoints = "endpoints { 100.64.0.9; 100.64.0.19 }"
    file.write_text(f"service s {{ vip 198.19.10.0; affinity client-ip 1h per service; {ports}; {endpoints} }}")
    assert verify(file, "iptables", "-c", "1").exit_code == 0
    monkeypatch.setattr(target, "assembled", apart)
    result = verify(file, "iptables", "-c", "1", "--json")
    assert result.exit_code == 1
    found = {case["deviation"] for case in json.loads(result.output)["cases"] if case["deviation"]}
    assert found == {"one client reached 2 endpoints of one service"}


def test_reports_for_machines(tmp_path: Path) -> None:
    junit = tmp_path / "junit.xml"
    result = verify(ROOT / "examples" / "dns.dsl", "nft", "-c", "20", "--json", "--junit", str(junit))
    document = follows("verify", result.output)
    assert (document["target"], document["failed"]) == ("nft", 0)
    suite = ET.parse(junit).getroot()
    assert (suite.get("tests"), suite.get("failures")) == (str(len(document["cases"])), "0")
    first = document["cases"][0]
    assert first["expected"][0] == {
        "endpoint": "100.64.0.53",
        "port": 5353,
        "share": 0.75,
        "masquerade": True,
        "sources": [],
    }
    assert sum(first["seen"].values()) == 20


def test_without_ip_vs_it_says_what_is_missing() -> None:
    if Path("/proc/net/ip_vs").exists():
        pytest.fail("this kernel has ip_vs: run this test where it has not")
    result = verify(ROOT / "examples" / "custom-cluster.dsl", "ipvs")
    assert result.exit_code == 3
    assert "this kernel has no module" in result.output


_OWN_SOURCES = """\
cluster { pods 100.64.0.0/24 }
node here { address 10.0.0.4 }
service kept { vip 198.19.10.0 shared; port 80/tcp; masquerade 10.0.0.0/8; endpoints { 192.0.2.9 } }
service shut { external-ip 203.0.113.7 shared; port 80/tcp; allow-from 10.0.0.0/8; endpoints { 100.64.0.9 } }
"""


@pytest.mark.parametrize("target", ["nft", "iptables"])
def test_the_node_comes_from_the_very_address_that_it_has_and_goes_to(tmp_path: Path, target: str) -> None:
    """And not from the address that it was declared with, which these services take for another client."""
    path = tmp_path / "own.dsl"
    path.write_text(_OWN_SOURCES)
    run = verify(path, target, "-c", "3")
    assert run.exit_code == 0, run.output


_SELDOM = """\
defaults { affinity client-ip 1s }
service hashed { vip 198.19.0.1; port 80/tcp; scheduler sh; endpoints { 100.64.0.9; 100.64.0.19 } }
service seldom {
  vip 198.19.0.2
  port 80/tcp
  endpoints { 100.64.0.9 weight 65535; 100.64.0.19 }
}
"""


@pytest.mark.slow
def test_who_gets_the_same_endpoint_without_affinity_is_no_deviation_with_it(tmp_path: Path) -> None:
    path = tmp_path / "seldom.dsl"
    path.write_text(_SELDOM)
    run = verify(path, "nft", "-c", "3")
    assert run.exit_code == 0, run.output
    assert "after its affinity" not in run.output
