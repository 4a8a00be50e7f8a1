"""The benchmarks run, at a tiny size, so that they stay usable; and what they say of their limits is true."""

from __future__ import annotations

import json
import lzma
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from support.tools.project import ROOT
from svcc.targets import targets

LOADED = [target.name for target in targets().values() if target.loads]
#: The ways to load that need nothing beyond what this suite needs; the fourth is ipvs.
WAYS = ["iptables (legacy)", "iptables (nft)", "nft"]
SMALL = ("--services", "20", "--endpoints", "3", "--rounds", "1", "--turns", "2")


def bench(*arguments: str, program: str = "run.py") -> str:
    done = subprocess.run(
        [sys.executable, str(ROOT / "bench" / program), *arguments],
        env={name: value for name, value in os.environ.items() if name != "PYTHONSAFEPATH"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def measured(*arguments: str) -> dict[str, Any]:
    """The parts that were asked for, each with its cases and failed ones."""
    document = json.loads(bench(*SMALL, "--json", *arguments))
    assert set(document) == {"machine", "parts"}
    parts: dict[str, Any] = document["parts"]
    return parts


def assert_once_each(cases: Mapping[str, list[Mapping[str, float]]]) -> None:
    """One round, and nothing took no time at all or no memory."""
    for name, rounds in cases.items():
        assert len(rounds) == 1, name
        assert rounds[0]["seconds"] > 0, name
        assert rounds[0]["cpu"] > 0, name
        assert rounds[0]["megabytes"] > 1, name


@pytest.mark.slow
@pytest.mark.parametrize("variant", [("--mixed",), ("--ipv6", "--ports", "3")], ids=" ".join)
def test_every_kind_of_program_compiles(variant: tuple[str, ...]) -> None:
    parts = measured("--only", "stages", *variant)
    stages = {"lark", "lark-alone", "parse", "lower", "check", "frontends"}
    stages |= {f"{name}: {stage}" for name in LOADED for stage in ("capabilities", "render")}
    assert list(parts) == ["stages"]
    assert {name: len(values) for name, values in parts["stages"]["cases"].items()} == dict.fromkeys(stages, 1)


@pytest.mark.slow
def test_processes_are_timed() -> None:
    parts = measured("--only", "start", "--only", "compile")
    start, compile = parts["start"]["cases"], parts["compile"]["cases"]
    assert set(start) == {"svcc --version", "svcc check, 20 lines", "python alone"}
    compiling = {"svcc check", *(f"svcc compile -t {name}" for name in LOADED)}
    assert set(compile) == compiling | ({"nft"} if os.geteuid() == 0 else set())
    assert {len(rounds) for rounds in start.values()} == {2}
    for rounds in (start | {name: compile[name] for name in compiling}).values():
        assert all(values["megabytes"] > 5 for values in rounds)
        assert all(values["seconds"] > 0 for values in rounds)


@pytest.mark.kernel
def test_rules_are_loaded_beside_a_peers(tmp_path: Path) -> None:
    peer = tmp_path / "peer.nft.xz"
    peer.write_bytes(lzma.compress(b"add table ip peer\n"))
    part = measured("--only", "load", "--peer", f"other={peer}:nft -f -")["load"]
    names = {name.partition(":")[0] for name in part["cases"] | part["failed"]}
    again = {*(f"{name}, as its tools list it" for name in ("nft", "ipvs")), "iptables (nft), as applied"}
    assert names - {"ipvs"} == {*WAYS, *again, "other (nft)"}
    assert not [name for name in part["failed"] if not name.startswith("ipvs")]
    assert_once_each(part["cases"])


@pytest.mark.kernel
def test_the_mixed_program_is_loaded_beside_a_peer_of_its_own(tmp_path: Path) -> None:
    """What is loaded of it is more than of the plain one."""
    peer = tmp_path / "peer.rules"
    peer.write_text("*nat\nCOMMIT\n", encoding="utf-8")
    words = ("--target", "iptables", "--peer", f"no={tmp_path}/missing:false")
    parts = measured("--only", "mixed", *words, "--mixed-peer", f"other={peer}:iptables-legacy-restore")
    assert list(parts) == ["mixed"]
    assert parts["mixed"]["program"] == "20x3-mixed"
    ours = {"iptables (legacy)", "iptables (nft)", "iptables (nft), as applied"}
    assert set(parts["mixed"]["cases"]) == {*ours, "other (iptables-legacy)"}
    assert parts["mixed"]["failed"] == {}


@pytest.mark.kernel
def test_plan_and_apply_are_timed_beside_reading_with_the_tool() -> None:
    part = measured("--only", "changes", "--target", "nft", "--target", "iptables")["changes"]
    whole = [
        "reading with the tool",
        "first plan, nothing to do",
        "plan, nothing to do",
        "compile",
        "apply, one endpoint",
    ]
    updates = ["update, one endpoint", "update, one endpoint, to the kernel"]
    for way in WAYS:
        assert_once_each({name: part["cases"][f"{way}: {name}"] for name in whole})
        stages = {name.removeprefix(f"{way}: inside apply: ") for name in part["cases"] if name.startswith(f"{way}: i")}
        assert stages >= {"compile", "plan", "kernel", "read back"}
        assert all(value["seconds"] > 0 for name in updates for value in part["cases"][f"{way}: {name}"])
    assert part["failed"] == {}


@pytest.mark.kernel
def test_twice_the_services_are_compiled_loaded_and_applied() -> None:
    part = measured("--only", "growth", "--target", "nft")["growth"]
    kinds = ("compile", "load", "apply")
    assert set(part["cases"]) == {f"{kind} nft, {size} services" for kind in kinds for size in (20, 40)}
    assert_once_each(part["cases"])
    assert part["failed"] == {}


def test_a_fleet_is_asked_how_soon_it_has_what_is_wanted() -> None:
    cases = measured("--only", "fleet", "--nodes", "3")["fleet"]["cases"]
    assert [*cases] == [
        "compile and pack for a node",
        "compile and pack for 3 nodes that differ",
        "compile and pack for 3 nodes",
        "publish",
        "want to applied, 1 at once",
        "want to applied, 2 at once",
        "20 members to 3 agents",
        "idle, for each agent",
    ]
    for case in (*cases,)[4:7]:
        assert 0 < cases[case][0]["median"] <= cases[case][0]["most"]
    assert cases["idle, for each agent"][0].keys() == {"requests", "bytes", "percent"}


@pytest.mark.kernel
def test_connections_are_timed_with_and_without_rules(tmp_path: Path) -> None:
    peer = tmp_path / "peer.nft"
    peer.write_text(
        "add table ip peer\n"
        "add chain ip peer nat { type nat hook prerouting priority -100 ; }\n"
        "add rule ip peer nat ip daddr 198.19.0.0/16 tcp dport 8080 dnat to 100.64.0.1\n"
    )
    part = measured("--only", "latency", "--target", "nft", "--peer", f"other={peer}:nft -f -")["latency"]
    without = ["no rules", "only tracked", "one rule by hand"]
    rows = [*without, "nft, 10 services", "nft, 20 services", "other (nft), 20 services"]
    all_of = {"nft, 20 services": [", 10 of them"], "other (nft), 20 services": [", 10 of them"]}
    assert list(part["cases"]) == [
        f"{name}{traffic}" for name in rows for traffic in ("", *all_of.get(name, ()), ", unrelated")
    ]
    for turns in part["cases"].values():
        assert len(turns) == 2
        assert all(0 < values["p50"] <= values["p90"] <= values["p99"] for values in turns)
        # Half of them took p50 microseconds or more, so the mean is at least half of that.
        assert all(0 < values["per second"] <= 2e6 / values["p50"] for values in turns)
    assert part["failed"] == {}


@pytest.mark.kernel
@pytest.mark.slow
def test_an_agent_is_measured_that_follows_a_cluster() -> None:
    part = measured("--only", "kubernetes")["kubernetes"]
    assert list(part["cases"]) == ["nft: all for the first time", "nft: one slice"]
    (first,), (change,) = part["cases"].values()
    assert first["seconds"] > 0
    assert first["megabytes"] > 1
    assert change["megabytes"] > 1  # of a later moment: may be more than the most until then
    assert 0 < change["to kernel"] <= change["recorded"]


@pytest.mark.kernel
@pytest.mark.slow
def test_ipvs_is_measured_where_there_is_ipvs() -> None:
    parts = measured("--only", "ipvs", "--with-ipvs", "load")
    assert list(parts) == ["ipvs: load"]
    part = parts["ipvs: load"]
    steps = {"ip", "ipset", "ipvsadm", "iptables"}
    again = {f"ipvs, as its tools list it{step}" for step in ("", ": ipset", ": ipvsadm")}
    assert set(part["cases"]) == {"ipvs", *(f"ipvs: {step}" for step in steps)} | again
    assert part["failed"] == {}
    assert part["program"] == "2x3"  # a tenth


@pytest.mark.slow
def test_results_stay_in_the_file_and_are_drawn(tmp_path: Path) -> None:
    """A second run adds its part to what the first one wrote; of both there are tables and plots."""
    file, plots = tmp_path / "results.json", tmp_path / "plots"
    bench(*SMALL, "--only", "stages", "--output", str(file))
    first = json.loads(file.read_text())
    said = bench(*SMALL, "--only", "compile", "--output", str(file), "--plots", str(plots))
    both = json.loads(file.read_text())
    assert list(both["parts"]) == ["stages", "compile"]
    assert both["parts"]["stages"] == first["parts"]["stages"]
    assert [line.partition(",")[0] for line in said.splitlines() if ": 20x3" in line] == [
        "stages: 20x3",
        "compile: 20x3",
    ]
    assert [path.name for path in plots.iterdir()] == ["compile.svg"]
    drawing = ET.parse(plots / "compile.svg").getroot()
    labels = [text.text for text in drawing.iter("{http://www.w3.org/2000/svg}text")]
    assert labels[0] == "Text to rules, 20x3 (cpu s)"
    assert labels[1::2] == list(both["parts"]["compile"]["cases"])


def _seconds(*values: float) -> list[dict[str, float]]:
    return [{"seconds": value, "cpu": value / 2, "megabytes": 100.0 * value} for value in values]


#: Rounds whose every bar is easily told.
KNOWN = {
    "start": {"svcc --version": _seconds(0.06, 0.07, 0.1), "svcc check, 20 lines": _seconds(0.2, 0.31, 0.4)},
    "compile": {"svcc compile -t nft": _seconds(1.0, 4.0, 20.0), "nft": _seconds(1.0, 2.5, 10.0)},
    "stages": {name: [{"cpu": 1.0}, {"cpu": 3.0}] for name in ("parse", "lower", "lark", "lark-alone")},
    "load": {
        "iptables (legacy)": _seconds(1.0, 2.0),
        "iptables (nft)": _seconds(1.0, 2.0),
        "iptables (nft), as applied": _seconds(0.5, 1.0),
        "nft": _seconds(1.0, 2.0),
        "other (nft)": _seconds(8.0, 16.0),
        "other (iptables-legacy)": _seconds(7.0, 17.0),
        "other (iptables-nft)": _seconds(5.0, 10.0),
    },
    "mixed": {"nft": _seconds(1.0), "other (nft)": _seconds(24.0), "other (iptables-nft)": _seconds(1.0)},
    "changes": {
        "nft: reading with the tool": _seconds(1.0),
        "nft: plan, nothing to do": _seconds(1.4),
        "nft: compile": _seconds(2.4),
        "nft: apply, one endpoint": _seconds(2.8),
        "nft: inside apply: kernel": [{"seconds": 0.04}],
        "nft: update, one endpoint, to the kernel": [{"seconds": 0.07}],
    },
    "growth": {"load nft, 10 services": _seconds(1.0, 1.0), "load nft, 20 services": _seconds(2.0, 3.0)},
}
TOLD = """\
svcc --version  0.070 (0.060 - 0.100) s  ≤ 0.07 s  yes  0.035 (0.030 - 0.050)
svcc check, 20 lines  0.310 (0.200 - 0.400) s  ≤ 0.2 s  no  0.155 (0.100 - 0.200)
svcc compile -t nft: peak  400 (100 - 2000) MB  ≤ 1000 MB  yes
svcc compile -t nft : loading nft's JSON  1.60 (1.00 - 2.00)  ≤ 1.3  no  1.60 (1.00 - 2.00)
parse + lower : lark alone  2.00 (2.00 - 2.00)  ≤ 1.2  no
parse + lower : lark alone, both without garbage collection  2.00 (2.00 - 2.00)  ≤ 1.2  no
loading: other (nft) : nft  8.00 (8.00 - 8.00)  ≥ 8  yes  8.00 (8.00 - 8.00)
loading: other (iptables-legacy) : iptables (legacy)  7.75 (7.00 - 8.50)  ≥ 8  no  7.75 (7.00 - 8.50)
loading: other (iptables-nft) : iptables (nft)  5.00 (5.00 - 5.00)  ≥ 6  no  5.00 (5.00 - 5.00)
loading: other (iptables-nft) : iptables (nft), as applied  10.00 (10.00 - 10.00)  ≥ 6  yes  10.00 (10.00 - 10.00)
loading (mixed): other (nft) : nft  24.00 (24.00 - 24.00)  ≥ 25  no  24.00 (24.00 - 24.00)
nft: plan, nothing to do : reading with the tool  1.40 (1.40 - 1.40)  ≤ 1.5  yes  1.40 (1.40 - 1.40)
nft: apply, one endpoint: beside compiling  0.400 (0.400 - 0.400) s  ≤ 0.5 s  yes
nft: apply, one endpoint: peak  280 (280 - 280) MB  ≤ 400 MB  yes
nft: apply, one endpoint: the kernel's part  0.040 (0.040 - 0.040) s  ≤ 0.05 s  yes
nft: update, one endpoint, to the kernel  0.070 (0.070 - 0.070) s  ≤ 0.08 s  yes
load nft: 20 : 10 services  2.50 (2.00 - 3.00)  ≤ 2.3  no  2.50 (2.00 - 3.00)
"""


def bars_of(parts: Mapping[str, Mapping[str, Any]], file: Path) -> str:
    """The table of bars, without its heading."""
    known = {name: {"program": "10x10", "cases": cases} for name, cases in parts.items()}
    file.write_text(json.dumps({"machine": {}, "parts": known}), encoding="utf-8")
    said = bench(str(file), program="report.py")
    return said.partition("\nwhat is promised")[2].partition("\n")[2].partition("\n")[2]


def _words(table: str) -> list[list[str]]:
    """Without the spaces that line columns up."""
    return [line.split() for line in table.splitlines()]


def test_what_is_promised_is_held_against_what_was_measured(tmp_path: Path) -> None:
    assert _words(bars_of(KNOWN, tmp_path / "known.json")) == _words(TOLD)


def _turns(p50: float, p99: float, rate: float) -> list[dict[str, float]]:
    return [{"p50": p50, "p90": p50, "p99": p99, "per second": rate}] * 3


#: Where there are rules a connection takes 1.2 times as long as without, and 1.04 times as long as the least there is.
CONNECTIONS = {
    "no rules": _turns(10, 20, 1000),
    "no rules, unrelated": _turns(10, 20, 1000),
    "only tracked": _turns(11.5, 23, 900),
    "only tracked, unrelated": _turns(11.5, 23, 900),
    "one rule by hand": _turns(11.5, 23, 900),
    "one rule by hand, unrelated": _turns(1, 1, 1),
    "nft, 10 services": _turns(10, 30, 880),
    "nft, 10000 services": _turns(12, 24, 880),
    "nft, 10000 services, 10 of them": _turns(11, 33, 1),
    "nft, 10000 services, unrelated": _turns(12, 24, 880),
    "other (nft), 10000 services": _turns(99, 99, 1),
}
TOLD_OF_CONNECTIONS = """\
nft, 10 services: connect p50 : no rules  1.00 (1.00 - 1.00)  ≤ 1.15  yes
nft, 10 services: connect p99 : no rules  1.50 (1.50 - 1.50)  ≤ 1.15  no
nft, 10 services: connections per second : no rules  0.88 (0.88 - 0.88)  ≥ 0.9  no
nft, 10 services: connect p50 : one rule by hand  0.87 (0.87 - 0.87)  ≤ 1.15  yes
nft, 10 services: connect p99 : one rule by hand  1.30 (1.30 - 1.30)  ≤ 1.15  no
nft, 10 services: connections per second : one rule by hand  0.98 (0.98 - 0.98)  ≥ 0.9  yes
nft, 10000 services: connect p50 : no rules  1.20 (1.20 - 1.20)  ≤ 1.15  no
nft, 10000 services: connect p99 : no rules  1.20 (1.20 - 1.20)  ≤ 1.15  no
nft, 10000 services: connections per second : no rules  0.88 (0.88 - 0.88)  ≥ 0.9  no
nft, 10000 services: connect p50 : one rule by hand  1.04 (1.04 - 1.04)  ≤ 1.15  yes
nft, 10000 services: connect p99 : one rule by hand  1.04 (1.04 - 1.04)  ≤ 1.15  yes
nft, 10000 services: connections per second : one rule by hand  0.98 (0.98 - 0.98)  ≥ 0.9  yes
nft, 10000 services: connect p50 : 10 services  1.20 (1.20 - 1.20)  ≤ 1.15  no
nft, 10000 services: connect p99 : 10 services  0.80 (0.80 - 0.80)  ≤ 1.15  yes
nft, 10000 services, 10 of them: connect p50 : 10 services  1.10 (1.10 - 1.10)  ≤ 1.15  yes
nft, 10000 services, 10 of them: connect p99 : 10 services  1.10 (1.10 - 1.10)  ≤ 1.15  yes
nft, 10000 services, unrelated: connect p50 : no rules  1.20 (1.20 - 1.20)  ≤ 1.1  no
nft, 10000 services, unrelated: connect p50 : only tracked  1.04 (1.04 - 1.04)  ≤ 1.1  yes
"""


def test_connections_are_held_against_those_without_rules(tmp_path: Path) -> None:
    assert _words(bars_of({"latency": CONNECTIONS}, tmp_path / "known.json")) == _words(TOLD_OF_CONNECTIONS)


def test_the_page_shows_what_was_measured(tmp_path: Path) -> None:
    """Its tables and plots are those of the results beside it."""
    results, page, plots = ROOT / "docs" / "performance.json", tmp_path / "performance.md", tmp_path / "plots"
    shown = (ROOT / "docs" / page.name).read_text(encoding="utf-8")
    page.write_text(shown, encoding="utf-8")
    bench(str(results), str(page), program="report.py")
    assert shown == page.read_text(encoding="utf-8")
    assert shown.count("<!-- table: ") > len(json.loads(results.read_text(encoding="utf-8"))["parts"])
    bench(str(results), str(plots), program="plots.py")
    drawn = {path.name: path.read_text(encoding="utf-8") for path in (ROOT / "docs" / "plots").iterdir()}
    assert drawn == {path.name: path.read_text(encoding="utf-8") for path in plots.iterdir()}
