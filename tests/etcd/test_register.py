"""``svcc register``: an endpoint stands in its pool for as long as a program runs."""

from __future__ import annotations

import signal
import subprocess

import pytest

from support.command_line import PROGRAM, program
from support.etcd import Cluster, run
from support.waiting import until
from svcc.etcd.client import Client
from svcc.fleet.registering import Member, MemberEndpoint


def _value(made: Cluster, key: str) -> bytes | None:
    async def asked() -> bytes | None:
        async with Client(made.urls) as etcd:
            entry = await etcd.get(key)
            return entry.value if entry else None

    return run(asked())


def test_a_member_is_there_while_its_program_runs(shared: Cluster) -> None:
    key = "/svcc/shop/pool/web/[fd00:64::9]:8080"
    words = [str(PROGRAM), "register", "web", "[fd00:64:0::9]:8080", "--weight", "4", "--fleet", "shop"]
    script = "trap 'exit 7' TERM; while :; do sleep 0.1; done"
    words += ["--etcd", shared.urls[0], "--", "sh", "-c", script]
    with subprocess.Popen(words, stderr=subprocess.PIPE) as process:
        value = until(lambda: _value(shared, key), "the member is registered", process=process)
        assert value is not None
        assert Member.read(key, value) == Member(MemberEndpoint.parse("[fd00:64::9]:8080"), 4)
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 7
        assert _value(shared, key) is None


@pytest.mark.parametrize(
    ("address", "command", "status"),
    [
        ("100.64.0.9", ("sh", "-c", "exit 5"), 5),
        ("100.64.0.9", ("sh", "-c", "kill -9 $$"), 137),
        ("100.64.0.9", ("/nothing/there",), 127),
        ("127.0.0.1", ("true",), 2),
        ("100.64.0.9:0", ("true",), 2),
        ("::ffff:100.64.0.9", ("true",), 2),
    ],
)
def test_the_exit_status_is_the_programs(shared: Cluster, address: str, command: tuple[str, ...], status: int) -> None:
    done = program("register", "web", address, "--fleet", "shop", "--etcd", shared.urls[0], "--", *command)
    assert done.status == status, done.err
    assert "Traceback" not in done.err
