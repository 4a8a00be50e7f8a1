"""The steps of docs/fleet.md for an upgrade of svcc in a fleet, with real agents of an older and a newer svcc."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.fleet_site import OTHER_VERSION, URL, Machine, Site, site
from support.fleet_traffic import servers, traffic
from support.page_steps import Steps, blocks

pytestmark = pytest.mark.kernel

_TEXT = """\
cluster { prefix CUSTOM }
node node-a { address 10.9.0.11 }
node node-b { address 10.9.0.12 }
service web { vip 198.19.10.1; port 80/tcp -> 8080; affinity client-ip 1m; endpoints { 100.64.0.1; 100.64.0.2 } }
"""
_PUBLISH, _EACH, _ONE_BY_ONE = blocks("Upgrades")


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Site]:
    """Two machines that serve release 1, and clients whose connections are all answered, whatever comes then."""
    with site(tmp_path, "node-a", "node-b") as made, servers(made, 1, 2):
        made.publish(_TEXT)
        for machine in made.machines:
            machine.start()
        made.svcc("rollout", 1, "--soak", "0s")
        for machine in made.machines:
            machine.serves(1, 2)
        with traffic(*made.machines):
            yield made


def _steps(made: Site, machines: Iterator[Machine], version: str) -> Steps:
    """``machines``: whose agents are started anew, one after the other; ``version``: which svcc they have then."""

    def nothing() -> None:
        raise AssertionError("etcd runs")

    def restart() -> None:
        machine = next(machines)
        machine.end()
        machine.otherwise = version
        machine.start()
        made.until_node(machine.name, alive=True)

    def svcc(*words: str) -> str:
        return made.svcc(*words, *(["--soak", "0s"] if words[0] == "rollout" else []))

    return Steps(made.etcd, made.switch.folder, "bookworm", nothing, made.switch.run, svcc, URL, restart)


def test_an_upgrade_that_makes_the_same_rules_changes_nothing(made: Site) -> None:
    steps = _steps(made, iter(made.machines), "")
    assert steps.follow(_PUBLISH) == "Nothing to do: release 1 is the same.\n"
    for machine in made.machines:
        steps.follow(_EACH[:2])
        made.until_node(machine.name, wants=1, has=1, state="applied", alive=True)
        steps.follow(_EACH[2:])


def test_an_upgrade_that_makes_other_rules_goes_from_machine_to_machine(
    made: Site, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """While it is under way, each machine serves what its own svcc makes."""
    a, b = made.machines
    steps = _steps(made, iter(made.machines), OTHER_VERSION)
    (tmp_path / "newer").mkdir()
    (tmp_path / "newer" / "sitecustomize.py").write_text(OTHER_VERSION)
    known = made.switch.environment()
    with monkeypatch.context() as context:
        context.setattr(made.switch, "environment", lambda: {**known, "PYTHONPATH": os.fspath(tmp_path / "newer")})
        assert steps.follow(_PUBLISH) == "Release 2 is published, for 2 nodes.\n"
    steps.follow(_ONE_BY_ONE[:2])
    made.until_node("node-a", wants=1, state="failed", alive=True)
    a.serves(1, 2)
    steps.follow(_ONE_BY_ONE[2:3])
    made.until_node("node-a", wants=2, has=2, state="applied")
    made.until_node("node-b", wants=1, has=1, state="applied")
    steps.follow(_ONE_BY_ONE[3:])
    for machine in (a, b):
        machine.serves(1, 2)
        made.until_node(machine.name, wants=2, has=2, state="applied", alive=True, differs=False)
