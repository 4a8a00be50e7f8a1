"""The fleet's commands with a real etcd, and nodes that report what a test has them report."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import trustme
from cryptography.hazmat.primitives import serialization

from support.command_line import Done, environment, svcc
from support.etcd import Cluster, delete, run
from support.fleet_nodes import answering
from support.schemas import follows
from svcc.etcd.client import Client
from svcc.fleet.documents import NodeState, Status, Want, able_text, holder_text
from svcc.fleet.keys import Keys
from svcc.fleet.reading import snapshot
from svcc.fleet.rollout import Rollout, RolloutPhase

KEYS = Keys("shop")
NODES = ("node-a", "node-b")
_TEXT = """\
node node-a { address 10.0.0.4; zone east }
node node-b { address 10.0.0.5; zone west }
service web { vip 198.19.10.1; port 80/tcp -> 8080; endpoints { 100.64.0.1; 100.64.0.HOST } }
"""


class Fleet:
    """An empty fleet, and a person who types commands."""

    def __init__(self, etcd: Cluster, folder: Path) -> None:
        self.etcd = etcd
        self._folder = folder
        run(self._empty())

    async def _empty(self) -> None:
        async with Client(self.etcd.urls) as client:
            await delete(client, KEYS.all, below=True)

    def put(self, *pairs: tuple[str, str]) -> None:
        """Write keys, as somebody else may."""

        async def written() -> None:
            async with Client(self.etcd.urls) as client:
                for key, text in pairs:
                    await client.put(key, text.encode())

        run(written())

    def rollout(self) -> Rollout:
        async def read() -> Rollout | None:
            async with Client(self.etcd.urls) as client:
                return (await snapshot(client, KEYS)).rollout

        found = run(read())
        assert found is not None
        return found

    def file(self, host: int = 2) -> Path:
        path = self._folder / f"{host}.dsl"
        path.write_text(_TEXT.replace("HOST", str(host)))
        return path

    def svcc(self, *words: object, status: int = 0) -> Done:
        done = svcc(*words, "--fleet", KEYS.fleet, "--etcd", self.etcd.urls[0])
        assert done.status == status, done
        return done

    def publish(self, host: int = 2, *words: object) -> None:
        self.svcc("publish", self.file(host), "-t", "nft", *words)

    def roll(self, *words: object, status: int = 0) -> Done:
        soak = () if str(words[0]).startswith("--") else ("--soak", "0s")
        return self.svcc("rollout", *words, *soak, status=status)


@pytest.fixture
def fleet(etcd: Cluster, tmp_path: Path) -> Fleet:
    return Fleet(etcd, tmp_path)


def test_from_a_file_to_all_nodes_and_back(fleet: Fleet) -> None:
    said = follows("publish", fleet.svcc("publish", fleet.file(), "-t", "nft", "-t", "node-b=iptables", "--json").text)
    assert (said["release"], said["published"], said["signed"]) == (1, True, False)
    assert [(one["node"], one["target"]) for one in said["nodes"]] == [("node-a", "nft"), ("node-b", "iptables")]
    with answering(fleet.etcd.urls, KEYS, NODES, {}):
        done = fleet.roll(1)
        assert (done.text, done.err) == (
            "Release 1 is on 2 nodes.\n",
            "release 1, stage 1 of 2: node-a\nrelease 1, stage 2 of 2: node-b\nrelease 1: done\n",
        )
        fleet.publish(3, "-m", "another endpoint")
        shown = fleet.svcc("fleet", "diff", status=1).text
        assert "100.64.0.3" in shown
        assert "100.64.0.2" in shown
        assert follows("diff", fleet.svcc("fleet", "diff", "--json", status=1).text)["services"]
        assert fleet.svcc("fleet", "diff", 1, 1).text == "No service changes.\n"
        stages = ("--stage", "zone west", "--stage", "all")
        ended = follows("rollout", fleet.roll(2, *stages, "--json").text)["rollout"]
        assert (ended["phase"], ended["stages"]) == ("done", [["node-b"], ["node-a"]])
        follows("fleet", fleet.svcc("fleet", "status", "--json").text)
        assert fleet.roll("--back").text == "Release 2 is taken back: 2 nodes.\n"
        found = follows("fleet", fleet.svcc("fleet", "status", "--json").text)
    assert [(one["node"], one["wants"], one["has"], one["differs"]) for one in found["nodes"]] == [
        (node, 1, 1, False) for node in NODES
    ]
    kept = follows("fleet_history", fleet.svcc("fleet", "history", "--json").text)
    assert [(one["release"], one["message"]) for one in kept["releases"]] == [(2, "another endpoint"), (1, "")]
    assert kept["current"] == 1


def test_a_node_that_fails_is_told_and_takes_all_back(fleet: Fleet) -> None:
    fleet.publish()
    with answering(fleet.etcd.urls, KEYS, NODES, {}):
        fleet.roll(1)
    fleet.publish(3)
    with answering(fleet.etcd.urls, KEYS, NODES, {("node-b", 2): NodeState.FAILED}):
        done = fleet.roll(2, status=4)
        assert "release 2 was taken back everywhere: node-b failed: no such device\n" in done.err
        assert "the rollout of release 2 went back: there is nothing to resume" in fleet.roll("--resume", status=2).err
        shown = fleet.svcc("fleet", "status").text
    assert "The last rollout is of release 2: returned, stage 2 of 2: node-b failed: no such device" in shown


def test_a_node_that_had_nothing_before_goes_on_and_that_is_said(fleet: Fleet) -> None:
    fleet.publish()
    with answering(fleet.etcd.urls, KEYS, NODES, {("node-b", 1): NodeState.FAILED}):
        goes_on = "nodes that had no release before go on with 1: node-a"
        done = fleet.roll(1, status=5)
        assert (
            f"release 1 was not taken back everywhere: node-b failed: no such device; {goes_on}; a rollout" in done.err
        )
        shown = fleet.svcc("fleet", "status", status=1).text
        assert (
            "!  node-a         1    applied  yes    0     0      release 1 was taken back; the node had none" in shown
        )
        assert "\n   node-b              applied  yes    0     0" in shown
        assert f"{goes_on}\n" in shown
        found = follows("fleet", fleet.svcc("fleet", "status", "--json", status=1).text)["nodes"]
        assert [(one["wants"], one["has"], one["differs"]) for one in found] == [(None, 1, True), (None, None, False)]
        fleet.publish(3)
        fleet.roll(2, "--stage", "node-a")
        fleet.svcc("fleet", "status")
        assert fleet.roll("--back").text == "Release 2 is taken back: 1 node.\n"
        found = follows("fleet", fleet.svcc("fleet", "status", "--json").text)["nodes"]
        assert [(one["wants"], one["has"], one["differs"]) for one in found] == [(1, 1, False), (None, None, False)]


def test_a_release_with_another_prefix_is_refused_where_a_node_serves(fleet: Fleet) -> None:
    fleet.publish()
    with answering(fleet.etcd.urls, KEYS, NODES, {}):
        fleet.roll(1, "--stage", "node-a")
        file = fleet.file(3)
        file.write_text("cluster { prefix OTHER }\n" + file.read_text())
        said = fleet.svcc("publish", file, "-t", "nft").err
        found = f"warning[SVC013]: a rollout to node-a is refused: it serves under prefix SVCC\n --> {file}:1:18\n"
        assert said.startswith(found)
        refused = fleet.roll(2, status=2).err
        assert "node-a serves under prefix SVCC, and the release has prefix OTHER: for another prefix a node" in refused
        fleet.roll(2, "--stage", "node-b")
        fleet.svcc("publish", fleet.file(), "-t", "nft")
        assert "node-b serves under prefix OTHER, and the release has prefix SVCC" in fleet.roll(3, status=2).err


def test_nodes_that_do_not_answer_are_not_back(fleet: Fleet) -> None:
    fleet.publish()
    with answering(fleet.etcd.urls, KEYS, NODES, {}):
        fleet.roll(1)
    assert "the rollout of release 1 is done: it cannot be paused" in fleet.svcc("rollout", "--pause", status=2).err
    fleet.put((KEYS.rollout, replace(fleet.rollout(), patience=0.0).text))
    done = fleet.svcc("rollout", "--back", status=5)
    assert "the fleet goes back from release 1; these nodes are not back yet: node-a, node-b\n" in done.err


def test_how_nodes_differ_is_shown(fleet: Fleet) -> None:
    def said(
        node: str, state: NodeState = NodeState.APPLIED, serves: int = 7, down: int = 0, drift: int = 0
    ) -> tuple[str, str]:
        return KEYS.status(node), Status(Want(3, 7), state, serves, followed=3, down=down, drift=drift).text

    wants = [(KEYS.want(node), Want(3, 7).text) for node in "abcdef"]
    lives = [(KEYS.alive(node), "") for node in "abcdeghi"]
    fleet.put((KEYS.holder("fd00::1"), holder_text("b")), (KEYS.holder("192.0.2.1"), "?"))
    fleet.put(
        *wants,
        *lives,
        said("a"),
        said("b", drift=2),
        said("c", NodeState.FAILED, serves=6),
        said("d", down=1),
        said("f"),
        (KEYS.status("h"), "garbage"),
        (KEYS.status("i"), '{"version": 99}'),
        (KEYS.want("i"), Want(3, 7).text),
    )
    found = follows("fleet", fleet.svcc("fleet", "status", "--json", status=1).text)["nodes"]
    assert [(one["node"], one["state"], one["differs"]) for one in found] == [
        ("a", "applied", False),
        ("b", "applied", True),
        ("c", "failed", True),
        ("d", "applied", False),
        ("e", "silent", True),
        ("f", "applied", True),
        ("g", "idle", False),
        ("h", "idle", True),
        ("i", "silent", True),
    ]
    first, second = (one["words"].removeprefix("its report cannot be read: ") for one in found[7:])
    assert first.startswith("/svcc/shop/status/h is not JSON that svcc can read")
    assert (
        second == "/svcc/shop/status/i has version 99, and this svcc reads 1: a newer svcc wrote it; upgrade this one"
    )
    assert [one["holds"] for one in found[:2]] == [[], ["fd00::1"]]
    assert "\nb answers for fd00::1.\n" in fleet.svcc("fleet", "status", status=1).text


def test_nodes_that_know_more_are_adopted(fleet: Fleet) -> None:
    assert fleet.svcc("fleet", "adopt").text == "Nothing to do: no node knows more than etcd has.\n"
    refused = Status(Want(3, 1), NodeState.REFUSED, 2, followed=9)
    fleet.put((KEYS.want("a"), Want(3, 1).text), (KEYS.status("a"), refused.text))
    assert "fleet shop knows no node x" in fleet.svcc("fleet", "adopt", "x", status=2).err
    adopted = follows("fleet_adopt", fleet.svcc("fleet", "adopt", "a", "--json").text)
    assert adopted["nodes"] == [{"node": "a", "release": 1, "epoch": 10}]
    fleet.put((KEYS.status("b"), Status(Want(2, 7), NodeState.APPLIED, 7, followed=2).text))
    done = fleet.svcc("publish", fleet.file(), "-t", "nft")
    assert done.text == "Release 8 is published, for 2 nodes.\n"
    assert done.err.startswith("svcc: 1 node followed more than this etcd knows (b): it was restored from a backup")
    assert fleet.svcc("fleet", "adopt", "--keep").text == "b keeps what it serves (epoch 3).\n"
    assert fleet.svcc("publish", fleet.file(3), "-t", "nft").err == ""


def test_an_interrupted_rollout_says_how_it_goes_on(fleet: Fleet) -> None:
    fleet.publish()
    words = ["rollout", "1", "--soak", "0s", "--fleet", KEYS.fleet, "--etcd", fleet.etcd.urls[0]]
    command = [sys.executable, "-P", "-m", "svcc", *words]
    with subprocess.Popen(command, env=environment(), stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        assert process.stderr.readline() == "release 1, stage 1 of 2: node-a\n"
        process.send_signal(signal.SIGINT)
        said = process.stderr.read()
    assert process.returncode == 130
    assert said == ("svcc: interrupted by SIGINT: the fleet stands still, and `svcc rollout --resume` goes on\n")
    assert fleet.rollout().phase is RolloutPhase.RUNNING
    with answering(fleet.etcd.urls, KEYS, NODES, {}):
        assert fleet.svcc("rollout", "--resume").text == "Release 1 is on 2 nodes.\n"


def test_nodes_that_left_are_forgotten(fleet: Fleet) -> None:
    fleet.publish()
    for node in ("a", "b", "c", "d"):
        said = Status(Want(1, 1), NodeState.APPLIED, 1, followed=1)
        fleet.put((KEYS.want(node), Want(1, 1).text), (KEYS.status(node), said.text))
    fleet.put((KEYS.alive("b"), able_text([])))
    under_way = Rollout(1, (("c",),))
    fleet.put((KEYS.rollout, under_way.text))
    for node, why in {
        "b": "the agent of b lives: end it first",
        "c": "c is in the rollout of release 1, which has not ended",
        "x": "fleet shop knows no node x",
    }.items():
        assert why in fleet.svcc("fleet", "forget", "a", node, status=2).err
    assert fleet.svcc("fleet", "forget", "a").text == "a is forgotten.\n"
    assert "fleet shop knows no node a" in fleet.svcc("fleet", "forget", "a", status=2).err
    assert follows("fleet_forget", fleet.svcc("fleet", "forget", "d", "--json").text)["nodes"] == ["d"]
    shown = follows("fleet", fleet.svcc("fleet", "status", "--json", status=1).text)["nodes"]
    assert [one["node"] for one in shown] == ["b", "c"]


def test_no_node_can_use_up_the_numbers_of_releases_and_epochs(fleet: Fleet) -> None:
    """Its credentials are for its own words, and not for publishing."""
    largest = 2**53 - 1
    told = Status(Want(1, 1), NodeState.APPLIED, largest, followed=largest)
    fleet.put((KEYS.want("a"), Want(1, 1).text), (KEYS.status("a"), told.text))
    assert fleet.svcc("publish", fleet.file(), "-t", "nft").text == "Release 2 is published, for 2 nodes.\n"
    assert fleet.svcc("fleet", "adopt").text == "Nothing to do: no node knows more than etcd has.\n"


def test_a_signed_release_is_shown_as_one(fleet: Fleet, tmp_path: Path) -> None:
    key = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    fleet.publish(2, "--sign", key)
    assert (
        fleet.svcc("publish", fleet.file(), "-t", "nft", "--sign", key).text
        == "Nothing to do: release 1 is the same.\n"
    )
    fleet.publish()
    kept = follows("fleet_history", fleet.svcc("fleet", "history", "--json").text)["releases"]
    assert [(one["release"], one["signed"]) for one in kept] == [(2, False), (1, True)]
    done = fleet.svcc("publish", fleet.file(3), "-t", "nft", "--sign", tmp_path / "nobody", status=2)
    assert "cannot be signed" in done.err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("rollout", 9), "fleet shop has no release 9"),
        (("rollout", "--resume"), "fleet shop has had no rollout yet"),
        (("rollout",), "say which: RELEASE, --resume, --pause or --back"),
        (("rollout", 1, "--back"), "say which: RELEASE, --resume, --pause or --back"),
        (("rollout", 1, "--soak", "soon"), "`soon` is no time: "),
        (("fleet", "diff"), "nothing was published for fleet shop yet"),
        (("publish", "/nowhere", "-t", "nft"), "cannot read /nowhere"),
        (("publish", "/nowhere", "-t", "node-a=nft"), "say it once for all nodes"),
        (("publish", "/nowhere", "-t", "aws"), "which no kernel loads"),
        (("fleet", "status", "--etcd-user", "ann"), "both or none"),
        (("fleet", "status", "--etcd-ca", "/nowhere"), "cannot read /nowhere: No such file or directory"),
    ],
)
def test_what_is_wrong_is_said(fleet: Fleet, words: tuple[object, ...], message: str) -> None:
    assert message in fleet.svcc(*words, status=2).err


def test_what_stands_in_etcd_is_input(fleet: Fleet) -> None:
    fleet.put((KEYS.head, '{"version":2}'))
    assert "a newer svcc wrote it; upgrade this one" in fleet.svcc("fleet", "status", status=2).err
    fleet.put((KEYS.head, "{"))
    assert "/svcc/shop/head is not JSON" in fleet.svcc("publish", fleet.file(), "-t", "nft", status=2).err


def test_etcd_is_away() -> None:
    done = svcc("fleet", "status", "--fleet", "shop", "--etcd", "http://127.0.0.1:1")
    assert (done.status, done.out) == (3, b"")
    assert "127.0.0.1:1" in done.err
    done = svcc("fleet", "status", "--fleet", "a/b", "--etcd", "http://127.0.0.1:1")
    assert (done.status, "cannot name a fleet" in done.err) == (2, True)
    assert svcc("fleet", "status", "--fleet", "shop", "--etcd", "nonsense").status == 2


@pytest.mark.parametrize("name", ["fifo", "/dev/zero", "/proc/self/environ"])
@pytest.mark.parametrize("option", ["--etcd-ca", "--etcd-cert", "--etcd-key", "--etcd-password-file"])
def test_only_regular_files_are_read(tmp_path: Path, option: str, name: str) -> None:
    os.mkfifo(tmp_path / "fifo")
    user = ("--etcd-user", "ann") if option == "--etcd-password-file" else ()
    words = ("fleet", "status", "--fleet", "shop", "--etcd", "https://127.0.0.1:1", *user, option, tmp_path / name)
    done = svcc(*words)
    assert (done.status, done.out) == (2, b"")
    assert done.err == f"svcc: cannot read {tmp_path / name}: it is not a regular file\n"


def test_a_password_is_text(tmp_path: Path) -> None:
    (tmp_path / "password").write_bytes(b"\xff")
    words = ("--etcd-user", "ann", "--etcd-password-file", tmp_path / "password")
    done = svcc("fleet", "status", "--fleet", "shop", "--etcd", "https://127.0.0.1:1", *words)
    assert (done.status, done.err) == (2, f"svcc: cannot read {tmp_path / 'password'}: it is not UTF-8 text\n")


@pytest.mark.parametrize(
    ("files", "words"),
    [
        (("--etcd-ca", "none"), "cannot read {}/none: it has no certificate in PEM"),
        (
            ("--etcd-cert", "a.pem", "--etcd-key", "b.key"),
            "cannot read {0}/a.pem: it has no certificate in PEM, or {0}/b.key is not its key, or has a password",
        ),
        (
            ("--etcd-cert", "none"),
            "cannot read {}/none: it has no certificate in PEM, or it has no key without a password",
        ),
        (
            ("--etcd-cert", "a.pem", "--etcd-key", "sealed.key"),
            "read {0}/a.pem: it has no certificate in PEM, or {0}/sealed.key is not its key, or has a password",
        ),
        (("--etcd-key", "a.key"), "--etcd-key needs --etcd-cert, the certificate of that key"),
    ],
)
def test_what_is_wrong_with_files_of_tls_names_the_file(tmp_path: Path, files: tuple[str, ...], words: str) -> None:
    (tmp_path / "none").write_bytes(b"\x00 no certificate")
    for name in ("a", "b"):
        issued = trustme.CA().issue_cert("etcd.example")
        issued.cert_chain_pems[0].write_to_path(tmp_path / f"{name}.pem")
        issued.private_key_pem.write_to_path(tmp_path / f"{name}.key")
    sealed = serialization.BestAvailableEncryption(b"secret")
    key = serialization.load_pem_private_key((tmp_path / "a.key").read_bytes(), None)
    pem, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    (tmp_path / "sealed.key").write_bytes(key.private_bytes(pem, form, sealed))
    given = [word if word.startswith("-") else tmp_path / word for word in files]
    done = svcc("fleet", "status", "--fleet", "shop", "--etcd", "https://127.0.0.1:1", *given)
    assert (done.status, done.out) == (2, b"")
    assert done.err.endswith(f"{words.format(tmp_path)}\n")


def test_other_commands_do_without_etcds_libraries() -> None:
    """And the fleet's own until they are called: help needs none of them."""
    script = (
        "import sys; from svcc.command_line import COMMANDS, svcc; import click\n"
        "for name in COMMANDS: svcc.get_command(click.Context(svcc), name)\n"
        "print(sorted({'aiohttp', 'prometheus_client', 'svcc.etcd.client'} & {*sys.modules}))"
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", script], capture_output=True, text=True, check=True, env=environment()
    )
    assert done.stdout == "[]\n"
