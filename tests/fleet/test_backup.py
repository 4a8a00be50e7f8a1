"""The steps of docs/fleet.md after etcd was lost, with real snapshots, real agents and an etcd for each test."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.command_line import svcc
from support.etcd import Cluster, loopback
from support.fleet_site import FLEET, URL, Site, site
from support.fleet_traffic import servers, traffic
from support.page_steps import Steps, blocks

_TEXT = """\
cluster { prefix CUSTOM }
node node-a { address 10.9.0.11 }
service web { vip 198.19.10.1; port 80/tcp -> 8080; endpoints { 100.64.0.1; 100.64.0.HOST } }
"""
_BACKUP, _RESTORE, _ADOPT, _KEEP = blocks("Backup and restore")


def _text(host: int) -> str:
    return _TEXT.replace("HOST", str(host))


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Site]:
    """A machine that serves release 1, and clients whose connections are all answered, whatever comes then."""
    with site(tmp_path, "node-a") as made, servers(made, 1, 2, 3, 4):
        made.publish(_text(2))
        made.machines[0].start()
        made.svcc("rollout", 1, "--soak", "0s")
        made.machines[0].serves(1, 2)
        with traffic(*made.machines):
            yield made


def _steps(made: Site) -> Steps:
    def svcc(*words: str) -> str:
        if words == ("fleet", "status"):  # until the agent has seen the restored etcd, the answer is the backup's
            made.until_node("node-a", wants=1, state="refused", alive=True)
            return made.svcc(*words, status=1)
        return made.svcc(*words, *(["--soak", "0s"] if words[0] == "rollout" else []))

    def start() -> None:
        with made.switch.namespace.entered():
            made.etcd.start("--listen-client-urls", f"{made.etcd.urls[0]},{URL}")

    return Steps(made.etcd, made.switch.folder, "bookworm", start, made.switch.run, svcc, URL)


@pytest.mark.kernel
def test_a_backup_is_restored_step_by_step(made: Site) -> None:
    (a,) = made.machines
    steps = _steps(made)
    steps.follow(_BACKUP)
    made.publish(_text(3))
    made.svcc("rollout", 2, "--soak", "0s")
    a.serves(1, 3)
    steps.follow(_RESTORE)
    made.until_node("node-a", wants=1, has=2, state="refused", alive=True)
    a.serves(1, 3)
    (made.switch.folder / "shop.dsl").write_text(_text(4))
    steps.follow(_KEEP)
    assert steps.published == "3"
    a.serves(1, 4)
    made.until_node("node-a", wants=3, has=3, state="applied")
    steps.follow(_RESTORE)
    made.until_node("node-a", wants=1, has=3, state="refused", alive=True)
    a.serves(1, 4)
    assert "node-a shall follow release 1" in steps.follow(_ADOPT)
    a.serves(1, 2)
    made.until_node("node-a", wants=1, has=1, state="applied")


@pytest.mark.kernel
def test_an_empty_etcd_takes_the_place_of_one_that_is_lost(made: Site) -> None:
    (a,) = made.machines
    steps = _steps(made)
    steps.lose()
    made.until_node("node-a", has=1, state="idle", alive=True)
    (made.switch.folder / "shop.dsl").write_text(_text(3))
    said = steps.follow(["svcc publish shop.dsl --target nft"])
    assert (steps.published, "1 node followed more than this etcd knows (node-a)" in said) == ("2", True)
    refused = made.svcc("rollout", 2, "--soak", "0s", status=4)
    assert "node-a refused: epoch 1 is no larger than 1, which was followed: was etcd restored" in refused
    a.serves(1, 2)
    steps.follow(_KEEP)
    a.serves(1, 3)
    made.until_node("node-a", wants=2, has=2, state="applied")


@pytest.mark.kernel
def test_a_release_with_the_number_of_another_is_refused(made: Site) -> None:
    """Also by an agent that says nothing while it is published."""
    (a,) = made.machines
    a.end()
    _steps(made).lose()
    made.publish(_text(3))
    made.put_want("node-a", 1, 1)
    a.start()
    made.until_node("node-a", wants=1, has=1, state="refused", alive=True)
    assert "release 1 is another one than the one of that number that was followed" in made.nodes()["node-a"]["words"]
    a.serves(1, 2)
    assert "node-a shall follow release 1 (epoch 2)" in made.svcc("fleet", "adopt")
    a.serves(1, 3)


def test_a_backup_of_etcd_3_5_is_restored_by_the_steps_of_the_page(tmp_path: Path) -> None:
    etcd = Cluster("trixie", tmp_path / "etcd", loopback(1), (), "http")
    (tmp_path / "shop.dsl").write_text(_text(2))
    place = ["--fleet", FLEET, "--etcd", etcd.urls[0]]

    def run(*words: str) -> None:
        subprocess.run(words, capture_output=True, check=True)

    def typed(*words: str) -> str:
        done = svcc(*words, *place)
        assert done.status == 0, done
        return done.text

    steps = Steps(etcd, tmp_path, "trixie", etcd.start, run, typed, etcd.urls[0])
    try:
        etcd.start()
        publish = ["svcc", "publish", str(tmp_path / "shop.dsl"), "--target", "nft"]
        steps.follow([" ".join(publish)])
        steps.follow(_BACKUP)
        (tmp_path / "shop.dsl").write_text(_text(3))
        steps.follow([" ".join(publish)])
        assert "The newest release is 2.\n" in typed("fleet", "status")
        assert "The newest release is 1.\n" in steps.follow(_RESTORE)
    finally:
        etcd.end()
