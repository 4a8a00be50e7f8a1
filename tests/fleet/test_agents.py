"""Real agents on machines of their own, with real rules and a real etcd."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.etcd import wiped
from support.fleet_site import ETCD, FLEET, Machine, Site, site
from support.fleet_traffic import servers, traffic

pytestmark = pytest.mark.kernel

_TEXT = """\
cluster { prefix CUSTOM }
node a { address 10.9.0.11 }
node b { address 10.9.0.12 }
service web { vip 198.19.10.1; port 80/tcp -> 8080; endpoints { 100.64.0.1; 100.64.0.HOST } }
"""
#: How soon a machine goes back that nobody can confirm; what is to stay has longer, which a busy machine may need.
_SOON = ("--confirm", "5")
#: A service that takes the machines' connections to etcd.
_CUT_OFF = f"service etcd {{ vip {ETCD}; port 2379/tcp; endpoints {{ 192.0.2.1 }} }}\n"
#: Has an agent say so each time that it compiles a program.
_TELLING = """
import sys
from svcc.apply import wanted
compiling = wanted.from_program
def telling(*given):
    print("a program is compiled", file=sys.stderr, flush=True)
    return compiling(*given)
wanted.from_program = telling
"""


def _text(host: int) -> str:
    return _TEXT.replace("HOST", str(host))


@pytest.fixture
def two(tmp_path: Path) -> Iterator[Site]:
    with site(tmp_path, "a", "b") as made:
        yield made


@pytest.fixture
def one(tmp_path: Path) -> Iterator[Site]:
    """A machine that serves release 1, and clients whose connections are all answered, whatever comes then."""
    with site(tmp_path, "a") as made, servers(made, 1, 2, 3, 4):
        made.publish(_one(2))
        made.machines[0].start()
        _roll(made, 1)
        made.machines[0].serves(1, 2)
        with traffic(*made.machines):
            yield made


def _one(host: int) -> str:
    return _text(host).replace("node b { address 10.9.0.12 }\n", "")


def _roll(made: Site, release: int, status: int = 0) -> str:
    return made.svcc("rollout", release, "--soak", "0s", "--stage", "all", status=status)


def _generation(machine: Machine) -> str:
    return machine.shell.svcc("history").stdout


def test_releases_come_to_the_machines_and_go_back(two: Site) -> None:
    a, b = two.machines
    for machine in two.machines:
        machine.otherwise = _TELLING
        machine.start()
    two.publish(_text(2))
    assert "Release 1 is on 2 nodes.\n" in two.svcc("rollout", 1, "--soak", "0s")
    for machine in two.machines:
        machine.serves(1, 2)
    assert f"release 1 of fleet {FLEET}" in _generation(a)
    two.publish(_text(3), "-t", "b=iptables")
    two.svcc("rollout", 2, "--soak", "0s")
    a.serves(1, 3)
    b.until(lambda: any("100.64.0.3" in rule for rule in b.shell.rules()), "b serves by iptables")
    assert b.shell.endpoints() == set()
    assert b.says("another target is wanted target=iptables")
    two.svcc("fleet", "status")
    # for the hash of its rules and for the kernel at once
    assert [machine.said().count("a program is compiled") for machine in two.machines] == [2, 2]
    two.svcc("rollout", "--back")
    for machine in two.machines:
        machine.serves(1, 2)
    found = two.nodes()
    assert {(one["wants"], one["has"], one["state"], one["differs"]) for one in found.values()} == {
        (1, 1, "applied", False)
    }
    assert not any(machine.says("the agent ends") for machine in two.machines)
    assert [machine.end() for machine in two.machines] == [0, 0]
    a.serves(1, 2)


def test_a_release_that_cuts_a_machine_off_comes_back_by_itself(one: Site) -> None:
    (a,) = one.machines
    a.end()
    a.start(*_SOON)
    one.publish(_one(3) + _CUT_OFF)
    assert "a failed: nobody confirmed it in time, and the machine went back" in _roll(one, 2, status=4)
    a.serves(1, 2)
    one.until_node("a", wants=1, has=1, state="applied", alive=True)
    assert a.shell.svcc("status").stdout


def test_etcd_is_away_and_everything_stays(one: Site) -> None:
    (a,) = one.machines
    (member,) = one.etcd.members
    member.end()
    a.until(lambda: "etcd does not answer; everything stays as it is" in a.said(), "the agent sees that")
    a.end(signal.SIGKILL)
    anew = a.is_in_the_kernel_anew()
    a.start()
    a.until(anew, "an agent that starts meanwhile goes on")
    a.serves(1, 2)
    with one.switch.namespace.entered():
        one.etcd.start("--listen-client-urls", f"{one.etcd.urls[0]},http://{ETCD}:2379")
    one.publish(_one(3))
    _roll(one, 2)
    a.serves(1, 3)


@pytest.mark.parametrize("target", ["nft", "iptables"])
def test_a_release_with_another_prefix_is_refused_before_anything_changes(one: Site, target: str) -> None:
    (a,) = one.machines
    (one.switch.folder / "shop.dsl").write_text(_one(3).replace("CUSTOM", "OTHER"))
    assert "shop.dsl:1:" in one.svcc("publish", "shop.dsl", "-t", target)
    refused = "serves under prefix CUSTOM, and the release has prefix OTHER: for another prefix a node leaves"
    assert f"a {refused}" in _roll(one, 2, status=2)
    one.put_want("a", 2, 2)
    one.until_node("a", wants=2, has=1, state="failed", alive=True)
    assert one.nodes()["a"]["words"].startswith(f"this node {refused}")
    a.serves(1, 2)
    assert not any("OTHER" in rule for rule in a.shell.rules())
    assert "table ip other" not in a.shell.run("nft", "list", "tables", "ip")


def test_a_node_that_left_comes_back_under_another_prefix(tmp_path: Path) -> None:
    with site(tmp_path, "a") as made:
        made.publish(_one(2))
        (a,) = made.machines
        a.start()
        _roll(made, 1)
        made.publish(_one(3).replace("CUSTOM", "OTHER"))
        _leave(made, a)
        a.start()
        _roll(made, 2)
        made.until_node("a", wants=2, has=2, state="applied")


def _leave(made: Site, a: Machine) -> None:
    """Do what docs/fleet.md says of a node that is to get another prefix."""
    a.end()
    a.shell.svcc("delete", "--prefix", "CUSTOM")
    next((a.shell.folder / "state").glob("**/fleet.json")).unlink()
    made.until_node("a", alive=False)
    made.svcc("fleet", "forget", "a")


def test_an_etcd_that_answers_otherwise_is_not_called_silent(one: Site) -> None:
    (a,) = one.machines
    (member,) = one.etcd.members
    member.end()
    a.until(lambda: a.says("etcd does not answer; everything stays as it is"), "the agent sees that")
    wiped(member)
    with one.switch.namespace.entered():
        one.etcd.start("--listen-client-urls", f"{one.etcd.urls[0]},http://{ETCD}:2379")
    a.until(lambda: a.says("etcd is not as it was; all of it is read anew reason="), "the agent sees that")


def test_a_restored_etcd_is_refused_until_it_is_adopted(one: Site) -> None:
    (a,) = one.machines
    one.publish(_one(3))
    _roll(one, 2)
    one.put_want("a", 1, 1)
    one.until_node("a", wants=1, has=2, state="refused")
    a.serves(1, 3)
    assert "a shall follow release 1 (epoch 3)" in one.svcc("fleet", "adopt")
    one.until_node("a", wants=1, has=1, state="applied")
    a.serves(1, 2)


def test_an_agent_that_dies_before_it_confirms_leaves_nothing_behind(one: Site) -> None:
    (a,) = one.machines
    one.publish(_one(3) + _CUT_OFF)
    asks = "etcd cannot be asked after the apply"
    one.put_want("a", 2, 2)
    a.until(lambda: asks in a.said(), "it has applied and asks")
    a.end(signal.SIGKILL)
    before = a.said().count(asks)
    a.start(*_SOON)
    one.put_want("a", 3, 1)
    a.serves(1, 2)
    one.until_node("a", wants=1, has=1, state="applied")
    one.put_want("a", 4, 2)
    a.until(lambda: a.said().count(asks) > before, "it has applied and asks")
    a.end(signal.SIGKILL)
    a.serves(1, 2)  # without an agent, when it was not confirmed in time
    one.until_node("a", wants=2, has=1, alive=False)


def test_what_is_not_signed_is_not_applied(one: Site, tmp_path: Path) -> None:
    (a,) = one.machines
    a.end()
    one.switch.run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / "key"))
    signers = tmp_path / "signers"
    signers.write_text(f"ann {(tmp_path / 'key.pub').read_text()}")
    a.start("--signers", str(signers))
    one.publish(_one(3), "--sign", str(tmp_path / "key"))
    _roll(one, 2)
    a.serves(1, 3)
    one.publish(_one(4))
    assert "a failed: release 3 is not signed" in _roll(one, 3, status=4)
    a.serves(1, 3)


@pytest.mark.parametrize("content", [None, b"\xff"])
def test_a_program_that_was_kept_and_is_damaged_is_taken_from_the_generation(one: Site, content: bytes | None) -> None:
    (a,) = one.machines
    a.end()
    one.etcd.members[0].end()
    kept = _damaged(a, "fleet-1.program", content)
    anew = a.is_in_the_kernel_anew()
    a.start()
    a.until(anew, "an agent goes on with what is in place")
    assert "the saved program is damaged; that of the generation in place is taken" in a.said()
    assert kept.read_text()
    a.serves(1, 2)


@pytest.mark.parametrize("content", [None, b"\xff"])
def test_a_program_that_is_damaged_everywhere_is_told_and_fetched_again(one: Site, content: bytes | None) -> None:
    (a,) = one.machines
    a.end()
    one.etcd.members[0].end()
    _damaged(a, "fleet-1.program", content)
    _damaged(a, "000001.program", content)
    a.start("--listen", "127.0.0.1:9469")
    a.until(lambda: a.says("listening"), "it listens before it has anything to serve")
    assert "the saved program cannot be followed; the kernel stays as it is" in a.said()
    assert _health(a).startswith("503 the saved program cannot be followed: ")
    a.serves(1, 2)
    with one.switch.namespace.entered():
        one.etcd.start("--listen-client-urls", f"{one.etcd.urls[0]},http://{ETCD}:2379")
    one.until_node("a", wants=1, has=1, state="applied", alive=True)
    a.until(lambda: _health(a) == "200 ok\n", "it is well again")
    a.serves(1, 2)


def _damaged(machine: Machine, name: str, content: bytes | None) -> Path:
    """Write a kept file of a machine anew, or delete it."""
    (kept,) = (machine.shell.folder / "state").glob(f"**/{name}")
    if content is None:
        kept.unlink()
    else:
        kept.write_bytes(content)
    return kept


def _health(machine: Machine) -> str:
    script = (
        "import urllib.request, urllib.error\n"
        "try: found = urllib.request.urlopen('http://127.0.0.1:9469/healthz', timeout=60)\n"
        "except urllib.error.HTTPError as error: found = error\n"
        "except OSError: raise SystemExit(0)\n"
        "print(found.status, found.read().decode(), end='')\n"
    )
    return machine.shell.run(sys.executable, "-c", script)
