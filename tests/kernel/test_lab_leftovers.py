"""A lab leaves nothing behind, however it ends, and never touches the machine's own network."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from ipaddress import ip_address
from pathlib import Path

import pytest

from support.lab_programs import POD, VIP, WEB
from support.tools.project import ROOT
from support.waiting import LID, until
from svcc.verify.lab import Lab, LabError, Reply, sweep
from svcc.verify.lab.servers import MARKER, processes_of

pytestmark = pytest.mark.kernel

#: A lab with a command in the background; says who it is and waits.
OWNER = """
import sys, time
sys.path.insert(0, sys.argv[1])
from support.lab_programs import WEB
from svcc.verify.lab import Lab
lab = Lab.up(WEB)
background = lab.start("node", ["sleep", "6000"])
print(lab.marker, lab._server.pid, background.pid, flush=True)
time.sleep(6000)
"""


def own_network() -> str:
    """The machine's own links, addresses, routes, rules and sysctls, as text."""
    commands = (
        ["ip", "-d", "link"],
        ["ip", "address"],
        ["ip", "route", "show", "table", "all"],
        ["ip", "-6", "route", "show", "table", "all"],
        ["ip", "rule"],
        ["ip", "netns"],
        ["nft", "--terse", "--stateless", "list", "ruleset"],
        *([f"{tool}-{variant}-save"] for tool in ("iptables", "ip6tables") for variant in ("nft", "legacy")),
        ["sysctl", "-a", "--pattern", r"^net\.(ipv[46]\.(ip_forward|icmp|conf)|bridge|core\.somaxconn)"],
    )
    # iptables-save prints the time, and packet counters of chains; addresses and routes of routers' and of DHCP's end
    texts = (subprocess.run(command, capture_output=True, text=True, check=True).stdout for command in commands)
    lines = (line for text in texts for line in text.splitlines(keepends=True) if line[0] not in "#:")
    return "".join(re.sub(r"(valid_lft|preferred_lft|expires) \d+sec", r"\1", line) for line in lines)


def namespaces() -> set[int]:
    """The network namespaces of all processes."""
    found = set()
    for process in Path("/proc").glob("[0-9]*"):
        try:
            found.add(os.stat(process / "ns/net").st_ino)
        except OSError:
            continue
    return found


@contextmanager
def node_of(pid: int) -> Iterator[int]:
    """The network namespace that a process is in. As long as this lasts, no other one gets its number."""
    held = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY)
    try:
        yield os.fstat(held).st_ino
    finally:
        os.close(held)


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def wait_until_gone(*pids: int) -> None:
    until(lambda: not any(map(alive, pids)), f"processes {pids} are gone")


@contextmanager
def owner() -> Iterator[tuple[subprocess.Popen[str], str, int, list[int]]]:
    """A process with a lab: itself, the lab's marker, its node's namespace, the pids of its server and command."""
    command = [sys.executable, "-c", OWNER, str(ROOT / "tests")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            marker, *words = process.stdout.readline().split()
            pids = [int(word) for word in words]
            with node_of(pids[-1]) as inode:
                yield process, marker, inode, pids
        finally:
            process.kill()


def test_nothing_is_left_after_down() -> None:
    before = own_network()
    descriptors = len(os.listdir("/proc/self/fd"))
    with ExitStack() as held:
        with Lab.up(WEB) as lab:
            background = lab.start("node", ["sleep", "6000"])
            inode, marker, server = held.enter_context(node_of(background.pid)), lab.marker, lab._server.pid
            assert isinstance(lab.connect("client", POD, 8080), Reply)
            assert own_network() == before
        until(lambda: inode not in namespaces(), "no process is in the lab's node")  # a killed one takes a moment
    assert background.wait(LID) == -signal.SIGKILL
    for pipe in (background.stdin, background.stdout, background.stderr):
        assert pipe is not None
        pipe.close()
    assert not alive(server)
    assert list(processes_of(marker)) == []
    assert len(os.listdir("/proc/self/fd")) == descriptors
    assert own_network() == before
    lab.down()  # again: nothing to do
    with pytest.raises(LabError):
        lab.connect("client", POD, 8080)


def test_nothing_is_left_when_it_cannot_be_built() -> None:
    descriptors = len(os.listdir("/proc/self/fd"))
    one = (ip_address("8.8.8.8"),)
    with pytest.raises(LabError, match=r"^ip -batch in outside: .*File exists"):
        Lab.up(WEB, clients={"far": one, "away": one})
    assert len(os.listdir("/proc/self/fd")) == descriptors


def test_nothing_is_left_when_the_owner_is_killed() -> None:
    with owner() as (process, marker, inode, pids):
        assert inode in namespaces()
        process.kill()
        process.wait()
        wait_until_gone(*pids)
        assert list(processes_of(marker)) == []
        assert inode not in namespaces()


def test_a_sweep_ends_what_is_left_when_the_server_is_killed_too() -> None:
    with owner() as (process, marker, inode, pids), Lab.up(WEB) as lab:
        server, background = pids
        assert not {*pids} & {*sweep()}  # they have an owner; who has none may be of another run
        os.kill(server, signal.SIGKILL)
        process.kill()
        process.wait()
        wait_until_gone(server)
        assert (alive(background), inode in namespaces()) == (True, True)
        assert background in sweep()
        wait_until_gone(background)
        assert (list(processes_of(marker)), inode in namespaces()) == ([], False)
        assert isinstance(lab.connect("client", POD, 8080), Reply)  # that of a living owner is left alone


def test_labs_side_by_side_and_in_threads() -> None:
    """The same addresses twice, used at the same time; the threads' own namespace stays what it was."""
    home = os.stat("/proc/thread-self/ns/net").st_ino
    answers: list[bool] = []

    def use() -> None:
        with Lab.up(WEB) as lab:
            results = lab.connect_many("client", POD, 8080, count=200)
        answers.append(all(isinstance(result, Reply) for result in results))
        answers.append(os.stat("/proc/thread-self/ns/net").st_ino == home)

    threads = [threading.Thread(target=use) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [True] * 6


def test_a_program_with_a_marker_of_another_lab_is_not_an_owner() -> None:
    """A lab inside a command of another lab: each ends its own processes only."""
    with Lab.up(WEB) as outer:
        script = OWNER.partition("background")[0] + "print(lab.connect('client', '100.64.0.9', 8080).name); lab.down()"
        done = outer.run("outside", [sys.executable, "-c", script, str(ROOT / "tests")])
        assert (done.stdout, done.stderr) == ("100.64.0.9\n", "")
        assert outer.run("node", ["printenv", MARKER]).stdout.strip() == outer.marker
        assert outer.connect("client", VIP, 80) == "unreachable"
