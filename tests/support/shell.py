"""A user on a node of its own, who runs svcc."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import IO

import pytest

from support import svcc_forks
from support.apply_world import World
from support.svcc_forks import Process
from support.waiting import until
from svcc.kernel.namespaces import Namespace

PROGRAM = """\
cluster { prefix CUSTOM; pods 100.64.0.0/24 }
node n { address 10.0.0.4 }
service web {
  vip 198.19.10.1
  port 80/tcp -> 8080 nodeport 30080
  endpoints { 100.64.0.1; 100.64.0.2 }
}
service dns { vip 198.19.10.2; port 53/udp; endpoints { 100.64.0.3 } }
"""
OTHER = PROGRAM.replace("100.64.0.2 }", "100.64.0.4 }")
#: The endpoints of PROGRAM and of OTHER.
A, B = {"100.64.0.1", "100.64.0.2", "100.64.0.3"}, {"100.64.0.1", "100.64.0.3", "100.64.0.4"}
#: The first line of a plan from PROGRAM to OTHER.
CHANGED = "web: ~ 100.64.0.2:8080 -> 100.64.0.4:8080"


def blocks(said: str) -> list[str]:
    """Return the paragraphs of a plan; only the heading of its steps."""
    return [block.partition("\n  1. ")[0] for block in said.split("\n\n")]


class Shell:
    """A user on a node: svcc in its namespace, with files and a state directory."""

    def __init__(
        self, namespace: Namespace, folder: Path, world: World | None = None, *, nf_tables: bool = True
    ) -> None:
        """``world``: the node with other people's objects, whose state is in the folder's ``state``; ``nf_tables``:
        whether the kernel has them.
        """
        self.namespace = namespace
        self.folder = folder
        self.world = world or World(namespace, folder / "state", "nft" if nf_tables else "legacy", nft=nf_tables)
        (folder / "a.dsl").write_text(PROGRAM)
        (folder / "b.dsl").write_text(OTHER)

    def words(self, *words: str) -> list[str]:
        """Return the words that start svcc as a user does, for tests of the process itself."""
        return [sys.executable, "-P", "-m", "svcc", *words]

    def environment(self) -> dict[str, str]:
        return {**os.environ, "SVCC_STATE_DIR": str(self.folder / "state"), "COLUMNS": "200"}

    def svcc(self, *words: str, status: int = 0, given: str | None = None) -> subprocess.CompletedProcess[str]:
        done = self.ended(*words, given=given)
        assert done.returncode == status, done
        assert "Traceback" not in done.stderr
        return done

    def ended(self, *words: str, given: str | None = None) -> subprocess.CompletedProcess[str]:
        """Run svcc, and return how it ended, whatever its status. ``given``: its standard input."""
        environment = self.environment()
        if "PYTHONPATH" in environment:  # Python reads it when it starts
            with self.namespace.entered():
                return subprocess.run(
                    self.words(*words),
                    cwd=self.folder,
                    env=environment,
                    input=given,
                    capture_output=True,
                    text=True,
                    check=False,
                )
        return svcc_forks.run(list(words), self.namespace, self.folder, environment, given)

    def begin(self, *words: str, log: IO[bytes], environment: Mapping[str, str] | None = None) -> Process:
        """Start svcc, and do not wait for its end. ``log``: its standard error; ``environment``: more of it."""
        return svcc_forks.begin(
            list(words), self.namespace, self.folder, {**self.environment(), **(environment or {})}, log.fileno()
        )

    @contextmanager
    def python(self, script: str, *words: str) -> Iterator[subprocess.Popen[str]]:
        """Yield a running program that uses svcc from Python; it is ended with the block."""
        command = [sys.executable, "-P", "-c", script, *words]
        with self.namespace.entered():
            process = subprocess.Popen(command, cwd=self.folder, stdout=subprocess.PIPE, text=True)
        with process:
            try:
                yield process
            finally:
                process.kill()

    def run(self, *words: str) -> str:
        """Run a program in the namespace, and return what it prints. iptables waits for its lock, which others have."""
        if re.match(r"ip6?tables(-nft|-legacy)?$", words[0]):
            words = (words[0], "-w", *words[1:])
        with self.namespace.entered():
            return subprocess.run(words, check=True, capture_output=True, text=True).stdout

    def rules(self) -> list[str]:
        """Return what iptables-save prints, without times and counters."""
        return [line.partition(" [")[0] for line in self.run("iptables-save").splitlines() if line[0] != "#"]

    def endpoints(self) -> set[str]:
        """Return the endpoints in nft's maps."""
        with self.namespace.entered():
            words = ["nft", "list", "table", "ip", "custom"]
            listing = subprocess.run(words, capture_output=True, text=True, check=False).stdout
        return {f"100.64.0.{host}" for host in range(1, 9) if f" : 100.64.0.{host}" in listing}


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    """A user on a node of its own."""
    with closing(Namespace("shell")) as namespace:
        made = Shell(namespace, tmp_path)
        yield made
        end_watchdog(made)  # it would wait on for as long as somebody may confirm


def change_pending(shell: Shell, **fields: object) -> None:
    """Change the record of what waits to be confirmed, in one piece: the watchdog reads it all the time."""
    pending = shell.folder / "state/custom/confirm.json"
    altered = pending.with_name("altered")
    altered.write_text(json.dumps({**json.loads(pending.read_text()), **fields}))
    altered.rename(pending)


def time_runs_out(shell: Shell) -> None:
    """Let the time to confirm be over, without waiting: no test can tell how much it gets done in a time."""
    change_pending(shell, deadline=0.0)


def end_watchdog(shell: Shell) -> None:
    """Kill the watchdog."""
    for folder in _watchdogs(shell):
        os.kill(int(folder.name), signal.SIGKILL)


def watchdog_waits(shell: Shell) -> bool:
    """Whether the watchdog waits for the store's lock, as it does when time has run out."""
    lock = shell.folder / "state/lock"
    opened = (os.path.realpath(one) for folder in _watchdogs(shell) for one in (folder / "fd").iterdir())
    return str(lock.resolve()) in opened  # what was closed meanwhile leads nowhere, and is no error


def _watchdogs(shell: Shell) -> Iterator[Path]:
    """Yield the folder in /proc of each watchdog, which is found by its state directory."""
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                words = os.fsdecode((folder / "cmdline").read_bytes()).split("\0")
            except OSError:
                continue
            if "svcc.apply.confirm" in words and str(shell.folder / "state") in words:
                yield folder


@contextmanager
def apply_at_work(shell: Shell, *before: str) -> Iterator[subprocess.Popen[str]]:
    """Yield an apply in the middle of a step, which goes on when the block ends. ``before``: words before the
    command's."""
    slow = shell.folder / "bin"
    slow.mkdir()
    for tool in ("iptables-nft-restore", "iptables-restore"):
        (slow / tool).write_text(
            f"""#!/bin/sh
PATH=${{PATH#*:}}
case "$*" in *--test*) exec {tool} "$@" ;; esac
touch {shell.folder}/in
for _ in $(seq 9000); do [ -e {shell.folder}/heard ] && break; sleep 0.1; done
exec {tool} "$@"
"""
        )
        (slow / tool).chmod(0o755)
    environment = {**shell.environment(), "PATH": f"{slow}:{os.environ['PATH']}"}
    with shell.namespace.entered():
        process = subprocess.Popen(
            [*before, *shell.words("apply", "b.dsl", "-t", "iptables")], cwd=shell.folder, env=environment,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
    until((shell.folder / "in").exists, "a tool is at work", process=process)
    try:
        yield process
    finally:
        (shell.folder / "heard").touch()
