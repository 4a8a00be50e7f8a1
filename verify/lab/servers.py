"""The servers of a lab: one process that listens in every namespace and answers with its own name.

It runs as a script with nothing but the standard library, so that it starts in some 30 ms. Arguments: the descriptor of
its control socket, the descriptor of a pidfd of the lab's owner, and the lab's marker. From the control socket it reads
lines of JSON, ``{"listen": [LISTENER, …]}`` or ``{"stop": [LISTENER, …]}`` with LISTENER = ``[namespace descriptor,
name, protocol, address, port, early, host]``, and answers each with ``{"errors": [TEXT, …]}``.

A client sends a line (udp: a datagram). The answer is ``NAME PORT SOURCE SOURCE-PORT``: the listener's name and port,
and the client as the listener sees it. On one connection, any number of lines are answered. The answer to an HTTP
request is a page of one line that says the same, and the host; then the connection is closed.

It ends when the owner closes the control socket or is gone, and then kills every process that has the lab's marker in
its environment.
"""

from __future__ import annotations

import ctypes
import json
import os
import resource
import selectors
import signal
import socket
import struct
import sys
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

#: The environment variable that marks the processes of a lab.
MARKER = "SVCC_LAB"

_CLONE_NEWNET = 0x40000000
#: The socket options for binding to a service address before rules make it one of the host's (linux/in.h, linux/in6.h).
_FREEBIND = {socket.AF_INET: (socket.IPPROTO_IP, 15), socket.AF_INET6: (socket.IPPROTO_IPV6, 78)}
_IP_PKTINFO = 8  # linux/in.h; the socket module does not have it
_IN_PKTINFO = struct.Struct("=i4s4s")  # interface index, local address, destination
_BACKLOG = 4096

#: The beginnings of the first line of an HTTP request.
_REQUESTS = (b"GET ", b"HEAD ", b"POST ")

Listener: TypeAlias = tuple[int, str, str, str, int, bool, str]
Event: TypeAlias = Callable[[], None]


def processes_of(marker: str) -> Iterator[int]:
    """Yield the pids of the processes whose environment says that they belong to lab ``marker``, without this one."""
    wanted = f"{MARKER}={marker}".encode()
    for entry in os.listdir("/proc"):
        if not entry.isdigit() or int(entry) == os.getpid():
            continue
        try:
            with open(f"/proc/{entry}/environ", "rb") as file:
                if wanted in file.read().split(b"\0"):
                    yield int(entry)
        except OSError:  # the process is gone meanwhile
            continue


def end_processes_of(marker: str) -> list[int]:
    """Kill the processes that have a lab's marker. Return their pids."""
    ended = []
    for pid in processes_of(marker):
        try:
            os.kill(pid, signal.SIGKILL)
            ended.append(pid)
        except ProcessLookupError:
            continue
    return ended


class Servers:
    """The listeners of one lab, each in the namespace of its host."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self._listening: dict[Listener, socket.socket] = {}
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._namespace = -1

    def watch(self, fileobj: int | socket.socket, event: Event) -> None:
        """Call a function whenever a file can be read."""
        self._selector.register(fileobj, selectors.EVENT_READ, event)

    def serve(self) -> None:
        """Answer clients and obey the owner, for ever."""
        while True:
            for key, _ in self._selector.select():
                key.data()

    def listen(self, listener: Listener) -> None:
        """Open one listener. Errors: OSError."""
        namespace, name, protocol, address, port, early, host = listener
        if namespace != self._namespace and self._libc.setns(namespace, _CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
        self._namespace = namespace
        server = _bound(protocol, address, port, early)
        self._listening[listener] = server
        label = f"{name} {port}"
        if protocol == "udp":
            self.watch(server, lambda: _answer_datagrams(server, label))
        else:
            server.listen(_BACKLOG)
            self.watch(server, lambda: self._accept(server, label, host))

    def stop(self, listener: Listener) -> None:
        """Close a listener; its connections go on. Errors: KeyError."""
        server = self._listening.pop(listener)
        self._selector.get_key(server).data()  # closing would reset the connections that wait to be accepted
        self._selector.unregister(server)
        server.close()

    def _accept(self, server: socket.socket, label: str, host: str) -> None:
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            connection.setblocking(False)
            self.watch(connection, lambda c=connection: self._answer(c, label, host))  # type: ignore[misc]

    def _answer(self, connection: socket.socket, label: str, host: str) -> None:
        def answered(data: bytes) -> bool:
            if data.startswith(_REQUESTS):
                connection.send(_page(data, label, host, connection.getpeername()))
                connection.shutdown(socket.SHUT_WR)
                self._selector.modify(connection, selectors.EVENT_READ, lambda: self._drain(connection))
                return True
            lines = data.count(b"\n")
            if lines:
                connection.send(_answer(label, connection.getpeername()) * lines)
            return lines > 0

        self._hear(connection, answered)

    def _drain(self, connection: socket.socket) -> None:
        """Read what comes after a request until the client closes the connection: closing it before would reset it."""
        self._hear(connection, bool)

    def _hear(self, connection: socket.socket, take: Callable[[bytes], bool]) -> None:
        """Pass what a client sent to ``take``.

        Close the connection where the client is gone, or ``take`` refuses it.
        """
        try:
            if take(connection.recv(65536)):
                return
        except BlockingIOError:
            return
        except OSError:
            pass
        self._close(connection)

    def _close(self, connection: socket.socket) -> None:
        self._selector.unregister(connection)
        connection.close()


def _bound(protocol: str, address: str, port: int, early: bool) -> socket.socket:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    kind = socket.SOCK_DGRAM if protocol == "udp" else socket.SOCK_STREAM
    server = socket.socket(family, kind, socket.IPPROTO_SCTP if protocol == "sctp" else 0)
    try:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            server.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        if protocol == "udp":  # so that it answers from the address that was asked, also from a vip
            if family == socket.AF_INET6:
                server.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
            else:
                server.setsockopt(socket.IPPROTO_IP, _IP_PKTINFO, 1)
        server.setsockopt(*_FREEBIND[family], int(early))
        server.bind((address, port))
        server.setblocking(False)
    except OSError:
        server.close()
        raise
    return server


def _answer(label: str, client: Any) -> bytes:
    return f"{label} {client[0].partition('%')[0]} {client[1]}\n".encode()


def _page(request: bytes, label: str, host: str, client: Any) -> bytes:
    name, _, port = label.partition(" ")
    page = f"{host} at {name} port {port}, asked by {client[0].partition('%')[0]} port {client[1]}\n".encode()
    head = f"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {len(page)}\r\nConnection: close\r\n\r\n"
    return head.encode() + (b"" if request.startswith(b"HEAD ") else page)


def _answer_datagrams(server: socket.socket, label: str) -> None:
    while True:
        try:
            _, ancillary, _, client = server.recvmsg(2048, 256)
        except BlockingIOError:
            return
        except OSError:  # an ICMP error about an earlier answer
            continue
        control = []
        for level, kind, data in ancillary:
            if level == socket.IPPROTO_IP and kind == _IP_PKTINFO:
                _, _, asked = _IN_PKTINFO.unpack(data[: _IN_PKTINFO.size])
                data = _IN_PKTINFO.pack(0, asked, bytes(4))
            control.append((level, kind, data))
        try:
            server.sendmsg([_answer(label, client)], control, 0, client)
        except OSError:
            continue


class Control:
    """The connection to the owner: it takes commands, and ends everything when the owner is gone."""

    def __init__(self, servers: Servers, wire: socket.socket, marker: str) -> None:
        self._servers = servers
        self._wire = wire
        self._marker = marker
        self._rest = b""

    def ready(self) -> None:
        """Obey the commands that have come. Where the owner is gone, end everything."""
        try:
            data = self._wire.recv(1 << 20)
        except ConnectionError:
            data = b""
        if not data:
            self.owner_gone()
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            self._wire.sendall(json.dumps({"errors": self._obey(json.loads(line))}).encode() + b"\n")

    def owner_gone(self) -> None:
        """Kill every process of the lab, and end."""
        end_processes_of(self._marker)
        os._exit(0)  # closing some thousand sockets one by one would take longer

    def _obey(self, command: dict[str, list[Any]]) -> list[str]:
        errors = []
        for verb, listeners in command.items():
            act = self._servers.listen if verb == "listen" else self._servers.stop
            for item in listeners:
                try:
                    act(tuple(item))
                except OSError as error:
                    errors.append(f"{verb} {item[1]} {item[3]} port {item[4]}/{item[2]}: {error.strerror}")
                except KeyError:
                    errors.append(f"{verb} {item[1]} {item[3]} port {item[4]}/{item[2]}: not listening")
        return errors


def main(wire: int, owner: int, marker: str) -> None:
    """Serve one lab.

    ``wire``: the control socket's descriptor; ``owner``: a pidfd of the owner; ``marker``: the lab's.
    """
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (1 << 20, max(most, 1 << 20)))
    except (OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the owner to handle
    servers = Servers()
    control = Control(servers, socket.socket(fileno=wire), marker)
    servers.watch(wire, control.ready)
    servers.watch(owner, control.owner_gone)
    servers.serve()


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3])
