"""An agent on a node of its own, with servers that it checks."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from support.shell import Shell
from support.svcc_forks import Process
from support.waiting import until

ADDRESSES = tuple(f"100.64.0.{host}" for host in range(1, 5))
#: ``more``: statements of the service; ``ends``: its endpoints.
TEXT = """\
cluster {{ prefix CUSTOM }}
node n {{ address 10.0.0.4 }}
service web {{
  vip 198.19.10.1
  port 80/tcp -> 8080
  check tcp every 2s timeout 2s fall 2 rise 1
  {more}
  endpoints {{ {ends} }}
}}
"""
#: The kernel answers a check by TCP, however busy the machine is; where the server is gone, it refuses at once.
_SERVER = """\
import socket, sys
made = socket.create_server((sys.argv[1], 8080), backlog=1000)
while True:
    made.accept()[0].close()
"""


class Site:
    """A node with servers and svcc's agent."""

    def __init__(self, shell: Shell, target: str = "nft") -> None:
        self.shell = shell
        self.target = target
        self.servers: dict[str, subprocess.Popen[bytes]] = {}
        self.log = shell.folder / "agent.log"
        self.write()
        for address in ADDRESSES:
            shell.run("ip", "address", "add", f"{address}/32", "dev", "lo")
        shell.run("ip", "route", "add", "198.19.10.0/24", "dev", "lo")  # the node itself is a client of the vips

    def write(
        self,
        more: str = "",
        ends: str = "100.64.0.1; 100.64.0.2; 100.64.0.3",
        to: str = "agent.dsl",
        behind: str = "",
    ) -> None:
        """Write the file that the agent follows, or another; it is replaced at once. ``behind``: further services."""
        draft = self.shell.folder / "agent.dsl.new"
        draft.write_text(TEXT.format(more=more, ends=ends) + behind)
        draft.replace(self.shell.folder / to)

    def up(self, *addresses: str) -> None:
        """Start servers."""
        for address in addresses:
            with self.shell.namespace.entered():
                self.servers[address] = subprocess.Popen(
                    [sys.executable, "-I", "-S", "-c", _SERVER, address], stderr=subprocess.DEVNULL
                )

    def down(self, *addresses: str) -> None:
        """End servers."""
        for address in addresses:
            server = self.servers.pop(address)
            server.kill()
            server.wait()

    @contextmanager
    def agent(self, *words: str, **environment: str) -> Iterator[Process]:
        """Run the agent inside the ``with`` block, and end it then."""
        with open(self.log, "ab") as log:
            process = self.shell.begin(
                "agent", "agent.dsl", "-t", self.target, *words, log=log, environment=environment
            )
        try:
            yield process
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
            process.wait()

    def serves(self, *hosts: int) -> None:
        """Wait until these endpoints get new connections, by the last bytes of their addresses, and no others."""
        wanted = {f"100.64.0.{host}" for host in hosts}
        self.until(lambda: self.shell.endpoints() == wanted, f"{sorted(wanted)} serve")

    def settled(self, up: int) -> None:
        """Wait until ``up`` probes have come up, the kernel has that, and nothing more is on its way."""
        self.until(lambda: self.said().count(" up probe=") == up and self._at_rest(), f"{up} are up, and it has that")

    def _at_rest(self) -> bool:
        last = self.said().splitlines()[-1]
        return last.startswith("svcc: in the kernel") and " down=0 " in last

    def said(self) -> str:
        """Return what the agent has logged so far."""
        return self.log.read_text() if self.log.exists() else ""

    def logged(self, words: str, times: int = 1) -> None:
        """Wait until the agent has logged the words this many times."""
        self.until(lambda: self.said().count(words) >= times, f"the agent says {words!r}")

    def until(self, condition: Callable[[], object], what: str) -> None:
        """Wait as :func:`support.waiting.until` does; a failure shows what the agent logged."""
        try:
            until(condition, what)
        except pytest.fail.Exception as error:
            pytest.fail(f"{error}\n{self.said()}")
