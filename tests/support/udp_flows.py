"""A node between clients and endpoints, each in a network namespace, and UDP flows through it that tell who answers."""

from __future__ import annotations

import errno
import selectors
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

from support.apply_world import World
from support.waiting import until
from svcc.kernel.namespaces import Namespace

#: The networks of clients and of pods; the node has .4 and .254, ::4 and ::fe.
_LINKS = (
    ("client", "10.0.0.100", "10.0.0.4", "fd00:10::100", "fd00:10::4"),
    ("pods", "100.64.0.1", "100.64.0.254", "fd00:64::1", "fd00:64::fe"),
)
#: The addresses of servers in the pods' namespace: endpoints, and another host behind the node.
ENDPOINTS = ("100.64.0.9", "100.64.0.19", "100.64.0.29", "fd00:64::9", "fd00:64::19")
OTHER_HOST = "192.0.2.50"
_PORTS = (5353, 5354)
_PATIENCE = 5.0  # seconds until a question is asked again
_SILENCE = 0.3  # seconds without an answer, where none is expected


class Net:
    """A node with a :class:`World`, and everybody around it."""

    def __init__(self, state: Path, target: str, variant: str) -> None:
        self.target = target
        self._held = ExitStack()
        self.node, self.client, self.pods = (self._namespace(name) for name in ("node", "client", "pods"))
        for name, near, own, near6, own6 in _LINKS:
            self._link(name, near, own, near6, own6)
        with self.node.entered():
            for key in ("ipv4.ip_forward", "ipv6.conf.all.forwarding"):
                _run(f"sysctl -qw net.{key}=1")
            _run(f"ip route add {OTHER_HOST} via 100.64.0.1")
            _run("ip route add 198.19.0.0/16 via 100.64.0.1")
        with self.pods.entered():
            _run("ip link set lo up")
            for address in (*ENDPOINTS, OTHER_HOST):
                nodad = "/128 nodad" if ":" in address else "/32"
                _run(f"ip addr add {address}{nodad} dev {'veth0' if address != OTHER_HOST else 'lo'}")
            servers = [_server(address, port) for address in ENDPOINTS for port in _PORTS]
            servers.append(_server(OTHER_HOST, 30053))
        self._answering = _Answering(servers)
        self.world = World(self.node, state, variant)

    def _namespace(self, name: str) -> Namespace:
        made = Namespace(name)
        self._held.callback(made.close)
        return made

    def _link(self, name: str, near: str, own: str, near6: str, own6: str) -> None:
        far: Namespace = getattr(self, name)
        with self.node.entered():
            _run(f"ip link add {name} type veth peer name veth0 netns {far.path}")
            _run(f"ip addr add {own}/24 dev {name}")
            _run(f"ip addr add {own6}/64 dev {name} nodad")
            _run(f"ip link set {name} up")
        with far.entered():
            _run(f"ip addr add {near}/24 dev veth0")
            _run(f"ip addr add {near6}/64 dev veth0 nodad")
            _run("ip link set veth0 up")
            _run(f"ip route add default via {own}")
            _run(f"ip -6 route add default via {own6}")

    def close(self) -> None:
        self._answering.end()
        self._held.close()

    def apply(self, text: str) -> None:
        self.world.apply(text, self.target)

    def add_endpoint(self, address: str) -> None:
        """Add an endpoint on a network to which the node has no route."""
        with self.pods.entered():
            _run(f"ip addr add {address}/32 dev lo")
            answering = _Answering([_server(address, 5353)])
        self._held.callback(answering.end)

    def add_own_endpoint(self, address: str) -> None:
        """Have the node itself be an endpoint, at one of its addresses."""
        with self.node.entered():
            answering = _Answering([_server(address, 5353)])
        self._held.callback(answering.end)

    def flow(self, address: str, port: int) -> Flow:
        with self.client.entered():
            made = Flow(address, port)
        self._held.callback(made.close)
        return made

    def run(self, words: str, given: str | None = None) -> str:
        """Run a command on the node."""
        with self.node.entered():
            return _run(words, given)


class Flow:
    """A client's flow: all its datagrams come from the same port."""

    def __init__(self, address: str, port: int) -> None:
        self._asked = 0  # questions so far
        self._socket = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)
        try:
            self._socket.connect((address, port))
        except OSError:
            self.close()
            raise

    def ask(self) -> str:
        """Return who answers, and whom it sees: "100.64.0.9:5353 10.0.0.100:40000"."""
        return until(self._answer, "somebody answers")

    def _answer(self) -> str:
        """Return an answer; "" where none came: a busy machine that gets no answer from a neighbour in time drops the
        packet.

        Answers to earlier questions are skipped.
        """
        self._asked += 1
        self._socket.settimeout(_PATIENCE)
        try:
            self._socket.send(str(self._asked).encode())
            while True:
                said, _, number = self._socket.recv(200).decode().rpartition(" ")
                if int(number) == self._asked:
                    return said
        except TimeoutError:
            return ""
        except OSError as error:
            if error.errno == errno.EHOSTUNREACH:
                return ""
            raise

    def answered_by(self) -> str:
        return self.ask().split()[0]

    def silent(self) -> bool:
        """Whether nobody answers."""
        self._asked += 1
        self._socket.settimeout(_SILENCE)
        try:
            self._socket.send(str(self._asked).encode())
            self._socket.recv(200)
        except OSError:  # no answer in that time, or a refusal
            return True
        return False

    def close(self) -> None:
        self._socket.close()


class _Answering(threading.Thread):
    """A thread that answers every datagram to some sockets with the socket's address, the sender's, and the
    datagram."""

    def __init__(self, servers: list[socket.socket]) -> None:
        super().__init__(daemon=True)
        self._selector = selectors.DefaultSelector()
        self._servers = servers
        self._wake, end = socket.socketpair()
        for one in (*servers, end):
            self._selector.register(one, selectors.EVENT_READ)
        self._end = end
        self.start()

    def run(self) -> None:
        while True:
            for key, _ in self._selector.select():
                one = key.fileobj
                if one is self._end:
                    return
                assert isinstance(one, socket.socket)
                asked, sender = one.recvfrom(10)
                own = one.getsockname()
                with suppress(PermissionError):  # the machine's own rules may drop what it sends
                    one.sendto(f"{own[0]}:{own[1]} {sender[0]}:{sender[1]} {asked.decode()}".encode(), sender)

    def end(self) -> None:
        self._wake.send(b"x")
        self.join()
        for one in (*self._servers, self._wake, self._end):
            one.close()
        self._selector.close()


def _server(address: str, port: int) -> socket.socket:
    made = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)
    made.bind((address, port))
    return made


def _run(words: str, given: str | None = None) -> str:
    return subprocess.run(words.split(), input=given, check=True, capture_output=True, text=True).stdout


def flows(net: Net, address: str, port: int, number: int = 12) -> Iterator[Flow]:
    return (net.flow(address, port) for _ in range(number))
