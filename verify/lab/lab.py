"""A program's pods, clients and node as network namespaces, with real servers, for real packets."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from itertools import repeat
from pathlib import Path
from typing import Self

from svcc.compiler import ir
from svcc.verify.lab import leftovers
from svcc.verify.lab.batch import AT_ONCE, Batch
from svcc.verify.lab.build import build
from svcc.verify.lab.connection import TIMEOUT, Conversation, Destination, Result, open_conversation
from svcc.verify.lab.netns import LabError, Namespace, has_sctp
from svcc.verify.lab.plan import NODE, OUTSIDE, Listener, Plan, plan
from svcc.verify.lab.servers import MARKER, end_processes_of

#: Seconds that the server process may take to answer.
_PATIENCE = 30.0


@dataclass(frozen=True, slots=True)
class Probe:
    """A connection to try: from a host, to an address and port, from a source of the host's choosing where None."""

    where: str | ir.Address
    address: str | ir.Address
    port: int
    protocol: str = "tcp"
    source: ir.Address | None = None
    source_port: int | None = None

    @property
    def destination(self) -> Destination:
        protocol = ir.Protocol(self.protocol)
        return Destination(ip_address(self.address), self.port, protocol, self.source, self.source_port)


class Lab:
    """A lab that is up. Make one with :meth:`up`; :meth:`down` (or leaving the ``with`` block) ends it.

    ``where`` is always the name of a host: "node", "client", "stranger", "peer", a client that was added, or a
    pod, which is called by its address (as text or as an ``ipaddress`` object). Rules are the caller's business:
    ``lab.run("node", ["nft", "-j", "-f", "-"], input=text)``.
    """

    def __init__(self, name: str, layout: Plan, namespaces: dict[str, Namespace]) -> None:
        self.name = name
        self.plan = layout
        self._namespaces = namespaces
        self._marker = leftovers.marker(name)
        self._wire, theirs = socket.socketpair()
        self._wire.settimeout(_PATIENCE)
        self._answers = self._wire.makefile("rb")
        with theirs:
            self._server = self._start_server(theirs)
        self._up = True

    @classmethod
    def up(
        cls,
        program: ir.Program,
        node: ir.Node | None = None,
        *,
        name: str | None = None,
        clients: Mapping[str, tuple[ir.Address, ...]] | None = None,
        bridge_netfilter: bool = False,
    ) -> Lab:
        """Build the lab of a program as seen from ``node`` (None: a node with addresses of its own).

        ``clients`` adds clients by name with their addresses. ``bridge_netfilter`` turns bridge-nf-call-iptables
        on in the node, where the kernel has it; otherwise it is off, so that all kernels do the same.
        Listeners of a protocol that the kernel lacks (sctp) are left out: see :attr:`protocols`.
        Errors: LabError.
        """
        layout = plan(program, node, clients)
        namespaces = build(layout, bridge_netfilter)
        lab = cls(name or leftovers.unique_name(), layout, namespaces)
        try:
            protocols = lab.protocols
            lab._command("listen", [item for item in layout.listeners if item.protocol in protocols])
        except BaseException:
            lab.down()
            raise
        return lab

    @property
    def protocols(self) -> frozenset[ir.Protocol]:
        """The protocols that this kernel has."""
        return frozenset(ir.Protocol) if has_sctp() else frozenset(ir.Protocol) - {ir.Protocol.SCTP}

    @property
    def node_addresses(self) -> tuple[ir.Address, ...]:
        """The node's addresses on its uplink: those of the chosen ``ir.Node``, and one for a family it lacks."""
        return self.plan.node.addresses

    @property
    def gateways(self) -> tuple[ir.Address, ...]:
        """The node's addresses (v4, v6) on the pods' bridge: what pods see of masqueraded clients."""
        return self.plan.gateways

    def addresses(self, where: str | ir.Address) -> tuple[ir.Address, ...]:
        """The addresses of a host."""
        name = str(where)
        own = {host.name: host.addresses for host in self.plan.hosts}
        return {**own, NODE: self.node_addresses, OUTSIDE: self.plan.routers}[name]

    def namespace(self, where: str | ir.Address) -> Namespace:
        """The namespace of a host. Errors: LabError for a name that the lab does not have."""
        try:
            return self._namespaces[str(where)]
        except KeyError:
            raise LabError(f"no host {where} in the lab; there are {', '.join(self._namespaces)}") from None

    def run(
        self,
        where: str | ir.Address,
        argv: Sequence[str],
        *,
        input: str | None = None,
        timeout: float | None = 120,
        check: bool = False,
        env: Mapping[str, str] | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """Run a command inside a host, to its end. ``env`` adds to the environment.

        Only the network is the host's: files, processes and /sys are the machine's own.
        """
        with self.namespace(where).entered():
            return subprocess.run(
                argv,
                stdin=subprocess.DEVNULL if input is None else None,
                input=input,
                capture_output=True,
                text=True,
                timeout=timeout,
                check=check,
                env={**os.environ, **(env or {}), MARKER: self._marker},
            )

    def connect(
        self,
        where: str | ir.Address,
        address: str | ir.Address,
        port: int,
        protocol: str = "tcp",
        *,
        source: ir.Address | None = None,
        source_port: int | None = None,
        timeout: float = TIMEOUT,
    ) -> Result:
        """One connection (udp: one datagram) from a host: the answer, or why there was none."""
        return self.connect_all([Probe(where, address, port, protocol, source, source_port)], timeout=timeout)[0]

    def connect_many(
        self,
        where: str | ir.Address,
        address: str | ir.Address,
        port: int,
        protocol: str = "tcp",
        count: int = 100,
        *,
        timeout: float = TIMEOUT,
        at_once: int = AT_ONCE,
    ) -> list[Result]:
        """``count`` connections alike: as :meth:`connect_all`."""
        connection = (self.namespace(where), Probe(where, address, port, protocol).destination)
        return Batch(timeout, at_once).run(repeat(connection, count))

    def connect_all(self, probes: Iterable[Probe], *, timeout: float = TIMEOUT, at_once: int = AT_ONCE) -> list[Result]:
        """Connections of all kinds: started in order, up to ``at_once`` under way, results in the same order.

        Refusals and drops take their time (see TIMEOUT); together they take it once.
        """
        return Batch(timeout, at_once).run((self.namespace(probe.where), probe.destination) for probe in probes)

    def open(
        self,
        where: str | ir.Address,
        address: str | ir.Address,
        port: int,
        protocol: str = "tcp",
        *,
        source: ir.Address | None = None,
        source_port: int | None = None,
        timeout: float = TIMEOUT,
    ) -> Conversation:
        """A connection that stays open, to be asked again and again."""
        return open_conversation(
            self.namespace(where), Probe(where, address, port, protocol, source, source_port).destination, timeout
        )

    def listen(
        self,
        where: str | ir.Address,
        address: str | ir.Address,
        port: int,
        protocol: str = "tcp",
        *,
        name: str | None = None,
    ) -> Listener:
        """Start another server, which answers as ``name`` (default: the host). Errors: LabError."""
        bound = ip_address(address)
        listener = Listener(str(where), name or str(where), ir.Protocol(protocol), bound, port)
        self._command("listen", [listener])
        return listener

    def stop(self, listener: Listener) -> None:
        """Stop a server; its connections go on. Those of the plan are in ``lab.plan.listeners``."""
        self._command("stop", [listener])

    def down(self) -> None:
        """End the lab: its processes, and with them and this call its namespaces. Safe to repeat."""
        if not self._up:
            return
        self._up = False
        end_processes_of(self._marker)
        self._server.wait()
        self._answers.close()
        self._wire.close()
        for namespace in self._namespaces.values():
            namespace.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.down()

    def _start_server(self, wire: socket.socket) -> subprocess.Popen[bytes]:
        owner = os.pidfd_open(os.getpid())
        script = str(Path(__file__).with_name("servers.py"))
        try:
            return subprocess.Popen(
                [sys.executable, "-I", "-S", script, str(wire.fileno()), str(owner), self._marker],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=[wire.fileno(), owner, *(n.fd for n in self._namespaces.values())],
                env={**os.environ, MARKER: self._marker},
            )
        finally:
            os.close(owner)

    def _command(self, verb: str, listeners: Iterable[Listener]) -> None:
        items = [
            (self.namespace(item.where).fd, item.name, str(item.protocol), str(item.address), item.port)
            for item in listeners
        ]
        self._wire.sendall(json.dumps({verb: items}).encode() + b"\n")
        answer = self._answers.readline()
        if not answer:
            raise LabError(f"the lab's server process ended (exit status {self._server.wait()})")
        errors = json.loads(answer)["errors"]
        if errors:
            raise LabError("; ".join(errors))
