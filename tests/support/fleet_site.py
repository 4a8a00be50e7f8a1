"""Machines of a fleet, each in a network namespace with its own agent, around a switch on which etcd runs."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any, TypeVar

import pytest

from support.apply_states import run
from support.etcd import RELEASES, Cluster
from support.etcd import run as run_to_end
from support.schemas import follows
from support.shell import Shell
from support.svcc_forks import Process
from support.waiting import until
from svcc.etcd.client import Client
from svcc.etcd.values import Listing
from svcc.fleet.documents import Want
from svcc.fleet.keys import Keys, address_in
from svcc.kernel.namespaces import Namespace

_Found = TypeVar("_Found")

FLEET = "shop"
#: The address at which the machines find etcd.
ETCD = "10.9.0.1"
URL = f"http://{ETCD}:2379"
_IN_THE_KERNEL = "svcc: in the kernel"
#: Code for :attr:`Machine.otherwise` that makes svcc another version, whose rules have another affinity time.
OTHER_VERSION = """
from dataclasses import replace
from svcc.apply import code
from svcc.targets.nft import assembly
code.stamp = lambda: "another version's"
def longer(one):
    return one if one.affinity is None else replace(one, affinity=one.affinity + 60)
contribution = assembly.contribution
assembly.contribution = lambda shared, one: contribution(shared, longer(one))
"""


class Machine:
    """A node and its agent."""

    def __init__(self, namespace: Namespace, name: str, folder: Path, *, nf_tables: bool = True) -> None:
        folder.mkdir()
        self.name, self.shell = name, Shell(namespace, folder, nf_tables=nf_tables)
        self._log = folder / "agent.log"
        self._process: subprocess.Popen[bytes] | Process | None = None
        self.urls: tuple[str, ...] = (URL,)
        self.otherwise = ""  # Python code that the agent runs before anything else

    def start(self, *words: str) -> None:
        """Start the agent."""
        members = [word for url in self.urls for word in ("--etcd", url)]
        given = ["agent", "--fleet", FLEET, "--node", self.name, *members, *words]
        with open(self._log, "ab") as log:
            if not self.otherwise:
                self._process = self.shell.begin(*given, log=log)
                return
            with self.shell.namespace.entered():
                self._process = subprocess.Popen(
                    self.shell.words(*given), cwd=self.shell.folder, env=self._environment(), stderr=log
                )

    def _environment(self) -> dict[str, str]:
        """Return the environment, with a module that Python imports at its start (`site` in its library reference)."""
        folder = self.shell.folder / "otherwise"
        folder.mkdir(exist_ok=True)
        (folder / "sitecustomize.py").write_text(self.otherwise)
        return {**self.shell.environment(), "PYTHONPATH": str(folder)}

    def end(self, number: signal.Signals = signal.SIGTERM) -> int | None:
        """End the agent; return its exit status."""
        if self._process is None:
            return None
        self._process.send_signal(number)
        status, self._process = self._process.wait(), None
        return status

    def said(self) -> str:
        """Return what the agent has logged so far."""
        return self._log.read_text() if self._log.exists() else ""

    def says(self, words: str) -> bool:
        """Whether the agent has logged these words."""
        return words in self.said()

    def is_in_the_kernel_anew(self) -> Callable[[], bool]:
        """Return a function that tells whether the agent has brought something into the kernel since this call."""
        before = self.said().count(_IN_THE_KERNEL)
        return lambda: self.said().count(_IN_THE_KERNEL) > before

    def serves(self, *hosts: int) -> None:
        """Wait until these endpoints get new connections, by the last bytes of their addresses, and no others."""
        wanted = {f"100.64.0.{host}" for host in hosts}
        self.until(lambda: self.shell.endpoints() == wanted, f"{self.name}: {sorted(wanted)} serve")

    def until(self, condition: Callable[[], object], what: str) -> None:
        """Wait as :func:`support.waiting.until` does; a failure shows what the agent logged."""
        try:
            until(condition, what, process=self._process)
        except pytest.fail.Exception as error:
            pytest.fail(f"{error}\n{self.said()}")


class Site:
    """The machines, and a person beside etcd who runs commands."""

    def __init__(
        self, switch: Shell, etcd: Cluster, machines: tuple[Machine, ...], urls: tuple[str, ...] = (URL,)
    ) -> None:
        self.switch, self.etcd, self.machines = switch, etcd, machines
        self.fleet = ["--fleet", FLEET, *(word for url in urls for word in ("--etcd", url))]

    def until(self, condition: Callable[[], _Found | None], what: str) -> _Found:
        """Wait as :func:`support.waiting.until` does; a failure shows what the agents logged."""
        try:
            return until(condition, what)
        except pytest.fail.Exception as error:
            pytest.fail(f"{error}\n{self.said}")

    @property
    def said(self) -> str:
        """What the agents have logged so far."""
        return "\n".join(f"{one.name}:\n{one.said()}" for one in self.machines)

    def svcc(self, *words: object, status: int = 0) -> str:
        """Run a command of the fleet; return what it prints."""
        done = self.switch.svcc(*map(str, words), *self.fleet, status=status)
        return done.stdout + done.stderr

    @contextmanager
    def begun(self, *words: str) -> Iterator[Process]:
        """Yield a running command of the fleet, which is ended with the block."""
        with open(os.devnull, "wb") as nowhere:
            process = self.switch.begin(*words, *self.fleet, log=nowhere)
        try:
            yield process
        finally:
            process.kill()
            process.wait()

    def publish(self, text: str, *words: str) -> None:
        (self.switch.folder / "shop.dsl").write_text(text)
        self.svcc("publish", "shop.dsl", "-t", "nft", *words)

    def put_want(self, node: str, epoch: int, release: int) -> None:
        """Write what a node shall do, as anybody can who may write to etcd."""

        async def put() -> None:
            async with Client([URL]) as client:
                await client.put(Keys(FLEET).want(node), Want(epoch, release).text.encode())

        with self.switch.namespace.entered():
            run_to_end(put())

    def taken(self) -> dict[str, int]:
        """Return by address the revision at which its holder took it: the key is not deleted while the address is
        held."""

        async def listed() -> Listing:
            async with Client([URL]) as client:
                return await client.list(Keys(FLEET).holders)

        with self.switch.namespace.entered():
            found: Listing = run_to_end(listed())
        return {str(address_in(Keys(FLEET).holders, one.key)): one.create_revision for one in found.entries}

    def nodes(self) -> dict[str, Any]:
        """Return the nodes' status by name."""
        done = self.switch.ended("fleet", "status", "--json", *self.fleet)
        assert done.returncode in (0, 1), done
        return {one["node"]: one for one in follows("fleet", done.stdout)["nodes"]}

    def until_node(self, name: str, **wanted: object) -> None:
        """Wait until a node's status has these values."""
        machine = next(one for one in self.machines if one.name == name)
        machine.until(lambda: wanted.items() <= self.nodes().get(name, {}).items(), f"{name} stands as {wanted}")


def make_lan(switch: Namespace, *addresses: str) -> None:
    """Make a network whose switch is a namespace, with these addresses on it."""
    with switch.entered():
        run("ip link set lo up")
        run("ip link add lan type bridge")
        for address in addresses:
            run(f"ip address add {address}/24 dev lan")
        run("ip link set lan up")


def plug_in(switch: Namespace, node: Namespace, number: int) -> None:
    """Connect a machine to the network, as 10.9.0.``number``."""
    with switch.entered():
        run(f"ip link add to-{number} master lan type veth peer name lan netns {node.path}")
        run(f"ip link set to-{number} up")
    with node.entered():
        run("ip link set lo up")
        run("ip link set lan up")
        run(f"ip address add 10.9.0.{number}/24 dev lan")


@contextmanager
def site(folder: Path, *names: str, nf_tables: bool = True) -> Iterator[Site]:
    """Yield machines with these names, without their agents. ``nf_tables``: whether the kernel has them."""
    with ExitStack() as stack:
        switch = stack.enter_context(closing(Namespace("switch")))
        make_lan(switch, ETCD)
        etcd = Cluster(RELEASES[0], folder / "etcd", ("127.0.0.1",), (), "http")
        stack.callback(etcd.end)  # ends after the agents, which report their end to etcd, and would wait for it
        (folder / "etcd").mkdir()
        with switch.entered():
            etcd.start("--listen-client-urls", f"{etcd.urls[0]},{URL}")
        machines = []
        for number, name in enumerate(names, 11):
            node = stack.enter_context(closing(Namespace(name)))
            plug_in(switch, node, number)
            machines.append(Machine(node, name, folder / name, nf_tables=nf_tables))
            stack.callback(machines[-1].end)
        (folder / "person").mkdir()
        yield Site(Shell(switch, folder / "person", nf_tables=nf_tables), etcd, tuple(machines))
