"""The agent among endpoints that flap, people who edit, others who flush, and its own sudden ends, at random."""

from __future__ import annotations

import os
import random
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from support.agents import ADDRESSES, Site
from support.shell import Shell
from support.svcc_forks import Process
from svcc.kernel.namespaces import Namespace

pytestmark = [pytest.mark.kernel, pytest.mark.slow]

#: So many things happen: some 1,500 are an hour.
_EVENTS = int(os.environ.get("SVCC_TEST_SOAK", "24"))
_HELD = """\
service held {
  vip 198.19.10.2
  port 90/tcp -> 9000
  endpoints { 100.64.0.4 }
}
"""
#: Answers each line of one connection with itself.
_ECHO = """\
import socket
made = socket.create_server(("100.64.0.4", 9000))
print(flush=True)
with made.accept()[0] as one, one.makefile("rwb", 0) as wire:
    for line in wire:
        wire.write(line)
"""


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    namespace = Namespace("soak")
    site = Site(Shell(namespace, tmp_path))
    try:
        yield site
    finally:
        site.down(*site.servers)
        namespace.close()


@dataclass
class Soak:
    """What is done to a site, and what is to come of it."""

    site: Site
    chance: random.Random
    hosts: list[str] = field(default_factory=lambda: [*ADDRESSES[:3]])
    stack: ExitStack = field(default_factory=ExitStack)
    agent: Process | None = None

    def begin(self) -> None:
        self.agent = self.stack.enter_context(self.site.agent("--repair", "0"))

    def flap(self) -> None:
        one = self.chance.choice(ADDRESSES[:3])
        (self.site.down if one in self.site.servers else self.site.up)(one)

    def edit(self) -> None:
        self.hosts = self.chance.sample(ADDRESSES[:3], self.chance.randint(1, 3))
        self.write()

    def write(self) -> None:
        self.site.write(ends="; ".join(self.hosts), behind=_HELD)

    def flush(self) -> None:
        """What other programs do to the rules; a map that is not there at the moment is none of theirs.

        While there are no rules the kernel translates no packets: nobody sends any before they are back, not even what
        acknowledges those of before.
        """
        self.site.until(self._acknowledged, "all that was sent is acknowledged")
        words = self.chance.choice(
            (["flush", "ruleset"], ["delete", "table", "ip", "custom"], ["flush", "map", "ip", "custom", "services"])
        )
        with self.site.shell.namespace.entered():
            subprocess.run(["nft", *words], check=False, capture_output=True)
        self.settled()

    def _acknowledged(self) -> bool:
        lines = self.site.shell.run("ss", "--no-header", "-tn", "sport = :9000").splitlines()
        return all(line.split()[2] == "0" for line in lines)  # bytes that wait to be

    def kill(self) -> None:
        assert self.agent is not None
        self.agent.kill()
        self.agent.wait()
        self.begin()

    def settled(self) -> None:
        """Wait until new connections go where the file and the endpoints' health say."""
        up = {*self.hosts} & {*self.site.servers}
        wanted = {*(up or self.hosts), "100.64.0.4"}
        self.site.until(lambda: self.site.shell.endpoints() == wanted, f"{sorted(wanted)} serve")


@contextmanager
def _connection(site: Site) -> Iterator[socket.socket]:
    """A connection through a service that nobody edits, whose endpoint does not flap."""
    with site.shell.namespace.entered():
        server = subprocess.Popen([sys.executable, "-c", _ECHO], stdout=subprocess.PIPE)
        try:
            assert server.stdout is not None
            server.stdout.readline()
            with socket.create_connection(("198.19.10.2", 90), timeout=300) as made:
                yield made
        finally:
            server.kill()
            server.communicate()


def test_whatever_happens_the_machine_is_as_the_file_and_the_health_say(site: Site) -> None:
    soak = Soak(site, random.Random(_EVENTS))
    soak.write()
    site.up(*ADDRESSES[:3])
    with soak.stack:
        soak.begin()
        soak.settled()
        with _connection(site) as held:
            for number in range(_EVENTS):
                soak.chance.choice((soak.flap, soak.flap, soak.flap, soak.edit, soak.flush, soak.kill))()
                if soak.chance.random() < 0.5:  # else the next comes on top of it
                    soak.settled()
                held.sendall(b"%d\n" % number)
                assert held.recv(100) == b"%d\n" % number
            soak.settled()
            site.until(lambda: _nothing_to_do(site), "a plan finds nothing to do")
    assert "Traceback" not in site.said()


def _nothing_to_do(site: Site) -> bool:
    with site.shell.namespace.entered():
        words = site.shell.words("plan", "agent.dsl", "-t", "nft")
        done = subprocess.run(
            words, cwd=site.shell.folder, env=site.shell.environment(), capture_output=True, text=True, check=False
        )
    return done.stdout.startswith("Nothing to do")
