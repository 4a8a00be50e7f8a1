"""Members that register themselves: a real agent serves them, as far as its program allows them."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from support.etcd import run
from support.fleet_site import ETCD, FLEET, URL, Site, site
from support.fleet_traffic import servers
from svcc.etcd.client import Client
from svcc.fleet.keys import Keys

pytestmark = pytest.mark.kernel

_TEXT = """\
cluster { prefix CUSTOM }
node a { address 10.9.0.11 }
endpoints pool { 100.64.0.1; registered 100.64.0.0/24 }
service web { vip 198.19.10.1; port 80/tcp -> 8080; endpoints pool }
service two { vip 198.19.10.2; port a 80/tcp -> 8080; port b 81/tcp -> 8081; endpoints { 100.64.0.1 } }
"""


@pytest.fixture
def one(tmp_path: Path) -> Iterator[Site]:
    """A machine that serves release 1."""
    with site(tmp_path, "a") as made:
        made.publish(_TEXT)
        made.machines[0].start()
        made.svcc("rollout", 1, "--soak", "0s", "--stage", "all")
        made.machines[0].serves(1)
        yield made


@contextmanager
def _member(made: Site, pool: str, endpoint: str, *options: str) -> Iterator[None]:
    """A member, for as long as the block runs."""
    words = ("register", pool, endpoint, *options, "--fleet", FLEET, "--etcd", URL, "--", "sleep", "infinity")
    with (made.switch.folder / "member.log").open("ab") as log:
        process = made.switch.begin(*words, log=log)
    try:
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()


def _put(made: Site, key: str, text: str) -> None:
    """Write a member as whoever can write etcd may."""

    async def put() -> None:
        async with Client([URL]) as client:
            await client.put(key, text.encode())

    with made.switch.namespace.entered():
        run(put())


def test_a_member_serves_until_its_program_ends(one: Site) -> None:
    (a,) = one.machines
    with _member(one, "pool", "100.64.0.2"):
        a.serves(1, 2)
        with _member(one, "pool", "100.64.0.3", "--weight", "0"), _member(one, "pool", "100.64.0.4:9090"):
            a.serves(1, 2, 4)
        a.serves(1, 2)
        assert a.shell.svcc("history").stdout.count("release 1") == 1
    a.serves(1)


def test_a_member_that_may_not_serve_is_refused_and_told_of(one: Site) -> None:
    (a,) = one.machines
    _put(one, Keys(FLEET).registered("pool", "100.64.0.7"), "{}")
    with _member(one, "pool", "10.20.0.2"), _member(one, "other", "100.64.0.5"), _member(one, "pool", "100.64.0.2"):
        a.serves(1, 2)
        for words in (
            "10.20.0.2 is in no network of pool pool",
            "no service takes it from pool other",
            "pool/100.64.0.7 has no `version`",
        ):
            a.until(partial(a.says, words), f"it says: {words}")
            assert a.said().count(words) == 1
        a.until(lambda: "is refused" in str(one.nodes()["a"]["words"]), "the fleet's status names them")
    a.serves(1)


def test_etcd_is_away_and_members_stay(one: Site) -> None:
    (a,) = one.machines
    (etcd,) = one.etcd.members
    with _member(one, "pool", "100.64.0.2"):
        a.serves(1, 2)
        etcd.end()
        a.until(lambda: "etcd does not answer; everything stays as it is" in a.said(), "the agent sees that")
        a.serves(1, 2)
        a.end()
        anew = a.is_in_the_kernel_anew()
        a.start()
        a.until(anew, "an agent that starts meanwhile has them too")
        a.serves(1, 2)
        with one.switch.namespace.entered():
            one.etcd.start("--listen-client-urls", f"{one.etcd.urls[0]},http://{ETCD}:2379")
    a.serves(1)


def test_a_member_that_checks_itself_serves_while_that_passes(one: Site) -> None:
    (a,) = one.machines
    check = ("--check", "tcp 8080 every 1s timeout 1s fall 2 rise 2")
    with servers(one, 2, 3) as running, _member(one, "pool", "100.64.0.3"):
        running.end(2)
        with _member(one, "pool", "100.64.0.2", *check):
            a.serves(1, 3)
            running.start(2)
            a.serves(1, 2, 3)
            running.end(2)
            a.serves(1, 3)
            running.start(2)
            a.serves(1, 2, 3)
        a.serves(1, 3)


def test_members_are_checked_as_any_endpoint_is(one: Site) -> None:
    (a,) = one.machines
    one.publish(_TEXT.replace("endpoints pool }", "check tcp every 1s timeout 1s fall 2 rise 1; endpoints pool }"))
    with servers(one, 1, 2) as running, _member(one, "pool", "100.64.0.2"), _member(one, "pool", "100.64.0.3"):
        one.svcc("rollout", 2, "--soak", "0s", "--stage", "all")
        a.serves(1, 2)
        running.end(2)
        a.serves(1)
        running.start(2)
        a.serves(1, 2)


def test_members_serve_by_iptables(one: Site) -> None:
    (a,) = one.machines
    one.publish(_TEXT, "-t", "a=iptables")
    one.svcc("rollout", 2, "--soak", "0s", "--stage", "all")
    with _member(one, "pool", "100.64.0.2"):
        a.until(lambda: any("100.64.0.2:8080" in rule for rule in a.shell.rules()), "it serves")
    a.until(lambda: not any("100.64.0.2" in rule for rule in a.shell.rules()), "it serves no more")
