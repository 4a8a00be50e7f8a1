"""Failures in a fleet, with real agents and a real etcd, while clients connect without pause: no connection of theirs
fails."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from support.etcd import run
from support.fleet_halves import Halves, halves
from support.fleet_site import FLEET, OTHER_VERSION, URL, Machine, Site, site
from support.fleet_traffic import Servers, servers, traffic
from svcc.etcd.client import Client
from svcc.fleet.keys import Keys
from svcc.fleet.reading import release_of

pytestmark = pytest.mark.kernel

_TEXT = """\
cluster { prefix CUSTOM }
node a { address 10.9.0.11 }
node b { address 10.9.0.12 }
service web { vip 198.19.10.1; port 80/tcp -> 8080; AFFINITY endpoints { 100.64.0.1; 100.64.0.HOST }; CHECK }
"""
#: A machine whose clock is so many seconds wrong.
_WRONG_CLOCK = """
import time
right, right_ns = time.time, time.time_ns
time.time, time.time_ns = lambda: right() + (SECONDS), lambda: right_ns() + (SECONDS) * 10**9
"""
_DAY = 86_400


def _text(host: int, *, affinity: bool = False, check: str = "") -> str:
    text = _TEXT.replace("HOST", str(host)).replace("CHECK", check)
    return text.replace("AFFINITY", "affinity client-ip 1m;" if affinity else "")


def _roll(made: Site, release: int, status: int = 0) -> str:
    return made.svcc("rollout", release, "--soak", "0s", "--stage", "a", "--stage", "all", status=status)


@pytest.fixture
def two(tmp_path: Path) -> Iterator[Site]:
    """Two machines without their agents."""
    with site(tmp_path, "a", "b") as made:
        yield made


@contextmanager
def _serving(made: Site, text: str) -> Iterator[Servers]:
    """Agents that serve release 1, which is this text, and servers that are its endpoints."""
    with servers(made, 1, 2, 3) as running:
        made.publish(text)
        for machine in made.machines:
            machine.start()
        _roll(made, 1)
        yield running


@contextmanager
def _halves(folder: Path) -> Iterator[Halves]:
    """Two halves of a network whose machines serve release 1; release 2 is published."""
    with halves(folder, 1, 2, 3) as made:
        made.publish(_text(2))
        for machine in made.machines:
            machine.start()
        _roll(made, 1)
        made.publish(_text(3))
        yield made


def _serve(machines: tuple[Machine, ...], *hosts: int) -> None:
    for machine in machines:
        machine.serves(*hosts)


def test_etcd_ends_for_good_and_checks_go_on(two: Site) -> None:
    with _serving(two, _text(2, check="check tcp every 1s timeout 1s fall 2 rise 1")) as endpoints:
        _serve(two.machines, 1, 2)
        with traffic(*two.machines):
            two.etcd.end()
            for machine in two.machines:
                machine.until(partial(machine.says, "etcd does not answer"), "the agent sees that")
        endpoints.end(2)
        _serve(two.machines, 1)
        with traffic(*two.machines):
            endpoints.start(2)
            _serve(two.machines, 1, 2)
        two.machines[0].shell.run("nft", "flush", "ruleset")
        _serve(two.machines, 1, 2)


def test_clocks_that_differ_by_two_days_decide_nothing(two: Site) -> None:
    a, b = two.machines
    a.otherwise, b.otherwise = (_WRONG_CLOCK.replace("SECONDS", str(seconds)) for seconds in (_DAY, -_DAY))
    with _serving(two, _text(2)), traffic(a, b):
        _serve(two.machines, 1, 2)
        two.publish(_text(3))
        _roll(two, 2)
        _serve(two.machines, 1, 3)
        two.svcc("rollout", "--back")
        _serve(two.machines, 1, 2)
        a.end()
        a.otherwise = _WRONG_CLOCK.replace("SECONDS", str(-_DAY))
        a.start()
        two.publish(_text(3), "--message", "once more")
        _roll(two, 2)
        _serve(two.machines, 1, 3)


def test_another_version_that_compiles_differently_refuses_and_the_rollout_goes_back(two: Site) -> None:
    a, b = two.machines
    b.otherwise = OTHER_VERSION
    with _serving(two, _text(2)), traffic(a, b):
        two.publish(_text(3, affinity=True))
        said = _roll(two, 2, status=4)
        assert "b failed: this svcc compiles release 2 to other rules than were published" in said
        _serve(two.machines, 1, 2)
        two.until_node("a", wants=1, has=1, state="applied")
        two.until_node("b", wants=1, has=1, state="applied")


def test_an_upgraded_agent_that_compiles_differently_leaves_the_rules_as_they_are(two: Site) -> None:
    a, b = two.machines
    with _serving(two, _text(2, affinity=True)), traffic(a, b):
        before = a.shell.run("nft", "--terse", "--stateless", "list", "ruleset")
        a.end()
        a.otherwise = OTHER_VERSION
        a.start()
        a.until(lambda: a.says("compiles release 1 to other rules than were published"), "the agent sees that")
        two.until_node("a", wants=1, state="failed", alive=True)
        assert a.shell.run("nft", "--terse", "--stateless", "list", "ruleset") == before
        two.publish(_text(3))
        _roll(two, 2)
        _serve(two.machines, 1, 3)
        two.until_node("a", wants=2, has=2, state="applied")


def test_a_program_that_somebody_tampered_with_is_not_applied(two: Site) -> None:
    async def tamper() -> None:
        async with Client([URL]) as etcd:
            keys = Keys(FLEET)
            release = await release_of(etcd, keys, 2)
            await etcd.put(keys.blob(release.program, 0), b"something else")

    with _serving(two, _text(2)), traffic(*two.machines):
        two.publish(_text(3))
        with two.switch.namespace.entered():
            run(tamper())
        two.put_want("a", 10, 2)
        two.until_node("a", wants=2, has=1, state="failed")
        assert "it has another hash" in two.nodes()["a"]["words"]
        _serve(two.machines, 1, 2)


def test_the_small_side_of_a_split_keeps_what_it_has_and_catches_up(tmp_path: Path) -> None:
    with _halves(tmp_path) as made:
        a, b = made.machines
        with traffic(a, b):
            made.cut()
            a.until(lambda: a.says("etcd does not answer; everything stays as it is"), "the small side sees that")
            made.large_serves()
            words = ["rollout", "2", "--soak", "0s", "--patience", "5m", "--stage", "b", "--stage", "all"]
            with made.begun(*words) as rollout:
                b.serves(1, 3)
                a.serves(1, 2)
                made.join()
                a.serves(1, 3)
                assert rollout.wait() == 0


def test_etcds_leader_dies_in_the_middle_of_a_rollout(tmp_path: Path) -> None:
    with _halves(tmp_path) as made:
        a, b = made.machines
        with traffic(a, b), made.begun("rollout", "2", "--soak", "2s", "--stage", "a", "--stage", "all") as rollout:
            a.serves(1, 3)
            with made.switch.namespace.entered():
                made.etcd.leader().end()
            b.serves(1, 3)
            assert rollout.wait() == 0
        assert {(one["has"], one["state"]) for one in made.nodes().values()} == {(2, "applied")}
