"""The clients of a lab: they open connections from inside a namespace, and say what happened to each.

A connection sends a line (udp: a datagram) and waits for the answer of :mod:`svcc.verify.lab.servers`.
"""

from __future__ import annotations

import errno
import os
import select
import selectors
import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import ip_address
from typing import Self, TypeAlias

from svcc.compiler.ir import Address, Protocol
from svcc.verify.lab.netns import Namespace

#: How many seconds to wait for an answer: more than the one second after which a connection's first packet is repeated.
TIMEOUT = 2.0

#: How many seconds the ICMP error for a datagram of this host may take to come back to it.
LATE = 0.3

#: The text that clients send.
QUESTION = b"?\n"

#: The socket options for getting every ICMP error, in the error queue (linux/in.h, linux/in6.h). Without them,
#: datagrams get few errors, and a tcp connection misses those that come while its SYN is still being sent, as they do
#: from a host on the same machine.
RECVERR = {socket.AF_INET: (socket.IPPROTO_IP, 11), socket.AF_INET6: (socket.IPPROTO_IPV6, 25)}


class NoReply(StrEnum):
    """Why no answer came."""

    REFUSED = "refused"  # a TCP reset, or ICMP port unreachable, answered the first packet
    RESET = "reset"  # the connection ended without an answer after it was established
    TIMEOUT = "timeout"  # nothing came; also EPERM, which the kernel returns where a local rule drops a datagram
    UNREACHABLE = "unreachable"  # ICMP host, network or policy unreachable, or there is no route


@dataclass(frozen=True, slots=True)
class Reply:
    """Who answered, and what it saw of the client."""

    name: str  # the server's name; a pod's is its address
    port: int  # the port that the server listens on
    source: Address
    source_port: int

    @classmethod
    def parse(cls, line: bytes) -> Reply:
        """Parse a server's line: host, port, the client's address and port. Errors: ValueError."""
        name, port, source, source_port = line.decode().split()
        return cls(name, int(port), ip_address(source), int(source_port))


Result: TypeAlias = Reply | NoReply

_FAILURES = {
    errno.ECONNREFUSED: NoReply.REFUSED,
    errno.ECONNRESET: NoReply.RESET,
    errno.EPIPE: NoReply.RESET,
    errno.ETIMEDOUT: NoReply.TIMEOUT,
    errno.EPERM: NoReply.TIMEOUT,
    errno.EHOSTUNREACH: NoReply.UNREACHABLE,
    errno.ENETUNREACH: NoReply.UNREACHABLE,
    errno.EACCES: NoReply.UNREACHABLE,  # ICMPv6 policy failures
    errno.ENOPROTOOPT: NoReply.UNREACHABLE,  # ICMP protocol unreachable
}


def failure_of(error: OSError, sock: socket.socket) -> NoReply:
    """Return the failure that an error stands for. Raise other errors again, such as that of a source port in use.

    A datagram that a local rule rejects fails with EPERM at once. The ICMP error is then on the socket, or comes a
    moment later, because a busy kernel handles packets on its loopback device later (ksoftirqd).
    """
    number = error.errno
    if number == errno.EPERM:
        number = pending_error(sock) or _late_error(sock) or number
    if number not in _FAILURES:
        raise error
    return _FAILURES[number]


def _late_error(sock: socket.socket) -> int:
    """Return the errno of an error that reaches a socket within :data:`LATE` seconds; 0 where none does."""
    poll = select.poll()
    poll.register(sock, 0)  # reports errors only
    return pending_error(sock) if poll.poll(LATE * 1000) else 0


def pending_error(sock: socket.socket) -> int:
    """Take the errno from a socket or from its error queue, which is empty afterwards; return 0 where there is none."""
    number = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    try:
        _, ancillary, _, _ = sock.recvmsg(512, 512, socket.MSG_ERRQUEUE | socket.MSG_DONTWAIT)
    except OSError:
        return number
    for level, kind, data in ancillary:
        if (level, kind) in RECVERR.values():  # struct sock_extended_err begins with the errno
            number = number or struct.unpack_from("=I", data)[0]
    return number


@dataclass(frozen=True, slots=True)
class Destination:
    """Where to connect to, and from which source (None: the namespace chooses)."""

    address: Address
    port: int
    protocol: Protocol
    source: Address | None = None
    source_port: int | None = None

    @property
    def sockaddr(self) -> tuple[str, int]:
        """The address in the socket module's form."""
        return str(self.address), self.port

    def open_socket(self) -> socket.socket:
        """Return a non-blocking socket in the thread's namespace, bound to its source.

        Where no source port is given, it gets one that no other open socket of its host has. A port that the kernel
        chooses when it connects is new for that destination alone, and IPVS takes the answers to two connections for
        one's if they come from one port to one endpoint, by whatever addresses.
        """
        family = socket.AF_INET6 if self.address.version == 6 else socket.AF_INET
        kind = socket.SOCK_DGRAM if self.protocol is Protocol.UDP else socket.SOCK_STREAM
        number = socket.IPPROTO_SCTP if self.protocol is Protocol.SCTP else 0
        sock = socket.socket(family, kind, number)
        try:
            sock.setblocking(False)
            sock.setsockopt(*RECVERR[family], 1)
            if self.source_port is not None:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if self.protocol is Protocol.TCP:  # it ends with a reset: none waits in TIME-WAIT, and keeps its port
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            anywhere = "::" if self.address.version == 6 else "0.0.0.0"
            sock.bind((str(self.source or anywhere), self.source_port or 0))
        except OSError:
            sock.close()
            raise
        return sock


class Conversation:
    """An open connection, which can ask any number of questions to see that it keeps its endpoint. Close it after use.

    Where no answer comes, it fails as in a :class:`Batch`.
    """

    def __init__(
        self, sock: socket.socket, failure: NoReply | None, timeout: float, catch_up: Callable[[], None]
    ) -> None:
        self._sock = sock
        self._catch_up = catch_up
        self._buffer = b""
        self.failure = failure  # why the connection could not be opened
        sock.settimeout(timeout)

    @property
    def local(self) -> tuple[Address, int]:
        """The client's own address and port."""
        name = self._sock.getsockname()
        return ip_address(name[0]), int(name[1])

    def ask(self) -> Result:
        """Send a question and wait for its answer."""
        return self.failure or self.send(QUESTION) or self.receive()

    def send(self, data: bytes) -> NoReply | None:
        """Send a line. Servers answer every line (udp: every datagram). Return the failure, or None."""
        try:
            self._sock.sendall(data)
        except OSError as error:
            return failure_of(error, self._sock)
        return None

    def receive(self) -> Result:
        """Wait for one answer."""
        while b"\n" not in self._buffer:
            try:
                data = self._receive()
            except BlockingIOError:
                return NoReply.TIMEOUT
            except OSError as error:
                return failure_of(error, self._sock)
            if not data:
                return NoReply.RESET
            self._buffer += data
        line, _, self._buffer = self._buffer.partition(b"\n")
        return Reply.parse(line)

    def _receive(self) -> bytes:
        """Return what has arrived. Errors: BlockingIOError, where nothing comes."""
        try:
            return self._sock.recv(4096)
        except TimeoutError:
            self._catch_up()
        timeout = self._sock.gettimeout()
        self._sock.settimeout(0)
        try:
            return self._sock.recv(4096)
        finally:
            self._sock.settimeout(timeout)

    def fileno(self) -> int:
        """Return the descriptor of the client's socket, which this object still owns."""
        return self._sock.fileno()

    def close(self) -> None:
        """Close the connection."""
        self._sock.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def open_conversation(
    namespace: Namespace, destination: Destination, timeout: float, catch_up: Callable[[], None]
) -> Conversation:
    """Open a connection. Where that fails, the result's ``failure`` says why."""
    with namespace.entered():
        sock = destination.open_socket()
    try:
        return Conversation(sock, _connect(sock, destination, timeout), timeout, catch_up)
    except OSError:
        sock.close()
        raise


def _connect(sock: socket.socket, destination: Destination, timeout: float) -> NoReply | None:
    number = sock.connect_ex(destination.sockaddr)
    if number == errno.EINPROGRESS:
        with selectors.DefaultSelector() as selector:
            selector.register(sock, selectors.EVENT_WRITE)
            number = pending_error(sock) if selector.select(timeout) else errno.ETIMEDOUT
    return failure_of(OSError(number, os.strerror(number)), sock) if number else None
