"""Runs a program's pods, clients and node as network namespaces with real servers, so that real packets can be sent."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from itertools import repeat
from typing import Self

from svcc.compiler import ir
from svcc.verify.lab import leftovers
from svcc.verify.lab.batch import AT_ONCE, Batch
from svcc.verify.lab.build import build, close_all, pod_port
from svcc.verify.lab.connection import TIMEOUT, Conversation, Destination, NoReply, Result, open_conversation
from svcc.verify.lab.layout import NODE, OUTSIDE, Layout, Listener, plan
from svcc.verify.lab.netns import LabError, Namespace, has_sctp
from svcc.verify.lab.ping import ping
from svcc.verify.lab.server_process import ServerProcess
from svcc.verify.lab.servers import MARKER, end_processes_of


@dataclass(frozen=True, slots=True)
class Attempt:
    """A connection to try: from a host to an address and port. Source None: the host chooses it."""

    where: str | ir.Address
    address: str | ir.Address
    port: int
    protocol: str = "tcp"
    source: ir.Address | None = None
    source_port: int | None = None

    @property
    def destination(self) -> Destination:
        """Where the connection goes to, and from which address and port."""
        protocol = ir.Protocol(self.protocol)
        return Destination(ip_address(self.address), self.port, protocol, self.source, self.source_port)


class Lab:
    """A lab that is up. Make one with :meth:`up`; :meth:`down` (or leaving the ``with`` block) ends it.

    ``where`` is always the name of a host: "node", "client", "stranger", "peer", a client that was added, or a pod,
    whose name is its address (as text or as an ``ipaddress`` object). The caller loads rules: ``lab.run("node", ["nft",
    "-j", "-f", "-"], input=text)``.
    """

    def __init__(self, name: str, layout: Layout, namespaces: dict[str, Namespace]) -> None:
        """Take namespaces that are built already; callers use :meth:`up`."""
        self.name = name
        self.plan = layout
        self.marker = leftovers.marker(name)  # the value of $SVCC_LAB in its processes
        self._namespaces = namespaces
        self._server = ServerProcess(self.marker, namespaces, layout.titles)

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
        try:
            lab = cls(name or leftovers.unique_name(), layout, namespaces)
        except BaseException:
            close_all(namespaces)
            raise
        try:
            protocols = lab.protocols
            lab._server.listen(item for item in layout.listeners if item.protocol in protocols)
        except BaseException:
            lab.down()
            raise
        return lab

    @property
    def protocols(self) -> frozenset[ir.Protocol]:
        """The protocols that this kernel has."""
        return frozenset(ir.Protocol) if has_sctp() else frozenset(ir.Protocol) - {ir.Protocol.SCTP}

    @property
    def namespaces(self) -> Mapping[str, Namespace]:
        """The namespace of every host, by its name."""
        return self._namespaces

    @property
    def node_addresses(self) -> tuple[ir.Address, ...]:
        """The node's addresses on its uplink: those of the chosen ``ir.Node``, and one for a family it lacks."""
        return self.plan.node.addresses

    @property
    def gateways(self) -> tuple[ir.Address, ...]:
        """The node's addresses (v4, v6) on the pods' bridge, which pods see as the source of masqueraded clients."""
        return self.plan.gateways

    def addresses(self, where: str | ir.Address) -> tuple[ir.Address, ...]:
        """Return the addresses of a host."""
        name = str(where)
        own = {host.name: host.addresses for host in self.plan.hosts}
        return {**own, NODE: self.node_addresses, OUTSIDE: self.plan.routers}[name]

    def namespace(self, where: str | ir.Address) -> Namespace:
        """Return the namespace of a host. Errors: LabError, where the lab has no such name."""
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
                env=self._environment(env),
            )

    def start(
        self, where: str | ir.Address, argv: Sequence[str], *, env: Mapping[str, str] | None = None
    ) -> subprocess.Popen[str]:
        """Start a command inside a host and let it run, with pipes for its input and output. :meth:`down` ends it."""
        with self.namespace(where).entered():
            return subprocess.Popen(
                argv,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                env=self._environment(env),
            )

    def _environment(self, more: Mapping[str, str] | None) -> dict[str, str]:
        return {**os.environ, **(more or {}), MARKER: self.marker}

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
        """Open one connection (udp: send one datagram) from a host, and return the answer, or why there was none."""
        return self.connect_all([Attempt(where, address, port, protocol, source, source_port)], timeout=timeout)[0]

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
        """Open ``count`` equal connections, as :meth:`connect_all` does."""
        connection = (self.namespace(where), Attempt(where, address, port, protocol).destination)
        return self._batch(timeout, at_once).run(repeat(connection, count))

    def connect_all(
        self, attempts: Iterable[Attempt], *, timeout: float = TIMEOUT, at_once: int = AT_ONCE
    ) -> list[Result]:
        """Open connections in order, up to ``at_once`` at the same time, and return their results in the same order.

        A refusal or drop takes some time (see TIMEOUT); connections that run together take it only once.
        """
        return self._batch(timeout, at_once).run((self.namespace(one.where), one.destination) for one in attempts)

    def ping(self, where: str | ir.Address, address: ir.Address) -> NoReply | None:
        """Ping an address from a host. Return None where it answers, else what came instead."""
        return ping(self.namespace(where), address, TIMEOUT)

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
        """Open a connection that stays open, and can be asked again and again."""
        destination = Attempt(where, address, port, protocol, source, source_port).destination
        return open_conversation(self.namespace(where), destination, timeout, self._server.catch_up)

    def _batch(self, timeout: float, at_once: int) -> Batch:
        return Batch(timeout, at_once, self._server.catch_up)

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
        self._server.listen([listener])
        return listener

    def stop(self, *listeners: Listener) -> None:
        """Stop servers; their connections go on. The servers of the layout are in ``lab.plan.listeners``."""
        self._server.stop(listeners)

    def resume(self, *listeners: Listener) -> None:
        """Start stopped servers again. Errors: LabError."""
        self._server.listen(listeners)

    def unplug(self, pod: str | ir.Address) -> None:
        """Cut a pod off: nothing in it ends, but nobody reaches it."""
        self._set_port(pod, "down")

    def plug(self, pod: str | ir.Address) -> None:
        """Make a pod reachable again."""
        self._set_port(pod, "up")

    def _set_port(self, pod: str | ir.Address, state: str) -> None:
        number = [host.name for host in self.plan.pods].index(str(pod))
        self.run(NODE, ["ip", "link", "set", pod_port(number), state], check=True)

    def down(self) -> None:
        """End the lab: its processes and its namespaces. It can be called again."""
        if self._namespaces:
            end_processes_of(self.marker)
            self._server.end()
            close_all(self._namespaces)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.down()
