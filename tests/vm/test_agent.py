"""The agent on ipvs: what leaves the file drains by a timer, and everything else goes on meanwhile."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from support.ipvs_kernel import program
from support.waiting import until
from svcc.verify.lab import CLIENT, NODE, Lab, NoReply, Reply

pytestmark = [pytest.mark.vm, pytest.mark.kernel]

HEAD = "cluster { prefix T; pods 100.64.0.0/24 }\nnode n { address 10.0.0.4 }\n"
WEB = "service web {{ vip 198.19.10.1; port 80/tcp; scheduler rr; endpoints {{ {} }} }}\n"
DB = "service db { vip 198.19.10.2; port 5432/tcp; endpoints { 100.64.0.9 } }\n"
ALL = ("100.64.0.9", "100.64.0.19", "100.64.0.29")
#: Longer than any test.
LONG = "86400"


class Site:
    """A lab whose node an agent keeps."""

    def __init__(self, lab: Lab, folder: Path) -> None:
        self.lab = lab
        self.folder = folder
        self.log = folder / "agent.log"

    def write(self, ends: Sequence[str], more: str = "") -> None:
        draft = self.folder / "agent.new"
        draft.write_text(HEAD + WEB.format("; ".join(ends)) + more)
        draft.replace(self.folder / "agent.dsl")

    @contextmanager
    def agent(self, drain: str) -> Iterator[subprocess.Popen[bytes]]:
        words = ["agent", "agent.dsl", "-t", "ipvs", "--drain", drain]
        with self.lab.namespace(NODE).entered(), open(self.log, "ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-P", "-m", "svcc", *words], cwd=self.folder, env=self.environment, stderr=log
            )
        try:
            yield process
        finally:
            process.terminate()
            process.wait()

    @property
    def environment(self) -> dict[str, str]:
        return {**os.environ, "SVCC_STATE_DIR": str(self.folder / "state")}

    def servers(self) -> dict[str, dict[str, int]]:
        """The weights of real servers, by the addresses and ports of their virtual servers."""
        found: dict[str, dict[str, int]] = {}
        for line in self.lab.run(NODE, ["ipvsadm", "-S", "-n"]).stdout.splitlines():
            words = line.split()
            there = found.setdefault(words[2], {})
            if words[0] == "-a":
                there[words[4].rpartition(":")[0]] = int(words[-1])
        return found

    def has(self, wanted: dict[str, dict[str, int]]) -> None:
        """Wait until the kernel has these."""
        try:
            until(lambda: self.servers() == wanted, f"{wanted}")
        except pytest.fail.Exception as error:
            pytest.fail(f"{error}; there is {self.servers()}\n{self.log.read_text()}")

    def begun(self) -> None:
        """Wait until all of the first program is in the kernel."""
        until(lambda: "in the kernel" in self.log.read_text(), "the agent has begun")

    def plan(self) -> str:
        with self.lab.namespace(NODE).entered():
            words = [sys.executable, "-P", "-m", "svcc", "plan", "agent.dsl", "-t", "ipvs"]
            done = subprocess.run(
                words, cwd=self.folder, env=self.environment, capture_output=True, text=True, check=False
            )
        return done.stdout


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    made = program(HEAD + WEB.format("; ".join(ALL)) + DB)
    with Lab.up(made, made.nodes[0]) as lab:
        yield Site(lab, tmp_path)


def test_what_leaves_drains_and_nothing_waits_for_it(site: Site) -> None:
    lab, web, db = site.lab, "198.19.10.1:80", "198.19.10.2:5432"
    site.write(ALL[:2], DB)
    with site.agent(LONG) as agent:
        site.begun()
        site.has({web: {ALL[0]: 1, ALL[1]: 1}, db: {ALL[0]: 1}})
        with (
            lab.open(CLIENT, "198.19.10.1", 80) as one,
            lab.open(CLIENT, "198.19.10.1", 80) as two,
            lab.open(CLIENT, "198.19.10.2", 5432) as base,
        ):
            conversations = one, two, base
            known = [conversation.ask() for conversation in conversations]
            assert {answer.name for answer in known[:2] if isinstance(answer, Reply)} == {*ALL[:2]}
            site.write(ALL[:1])  # an endpoint leaves, and a service
            site.has({web: {ALL[0]: 1, ALL[1]: 0}, db: {ALL[0]: 0}})
            until(lambda: lab.connect(CLIENT, "198.19.10.2", 5432) is NoReply.REFUSED, "the rest of it is there, too")
            site.write((ALL[0], ALL[2]))  # what comes next does not wait
            site.has({web: {ALL[0]: 1, ALL[1]: 0, ALL[2]: 1}, db: {ALL[0]: 0}})
            new = {answer.name for answer in lab.connect_many(CLIENT, "198.19.10.1", 80, count=20)
                   if isinstance(answer, Reply)}  # fmt: skip
            assert new == {ALL[0], ALL[2]}
            assert [conversation.ask() for conversation in conversations] == known
            assert site.plan().startswith("Nothing to do")
            agent.kill()
            agent.wait()
            site.log.unlink()
            with site.agent(LONG):
                site.begun()
                assert site.servers() == {web: {ALL[0]: 1, ALL[1]: 0, ALL[2]: 1}, db: {ALL[0]: 0}}
                assert [conversation.ask() for conversation in conversations] == known
                site.write(ALL, DB)  # all come back
                site.has({web: dict.fromkeys(ALL, 1), db: {ALL[0]: 1}})
                assert [conversation.ask() for conversation in conversations] == known


def test_what_left_is_taken_out_when_its_time_is_over(site: Site) -> None:
    web, db = "198.19.10.1:80", "198.19.10.2:5432"
    site.write(ALL[:2], DB)
    with site.agent("1"):
        site.begun()
        site.has({web: {ALL[0]: 1, ALL[1]: 1}, db: {ALL[0]: 1}})
        with site.lab.open(CLIENT, "198.19.10.2", 5432) as held:
            assert isinstance(held.ask(), Reply)
            site.write(ALL[:1])
            site.has({web: {ALL[0]: 1}})
            assert isinstance(held.ask(), NoReply)
        assert "endpoints left, and drain endpoints=2" in site.log.read_text()
        assert site.plan().startswith("Nothing to do")
