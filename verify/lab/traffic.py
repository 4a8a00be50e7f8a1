"""The clients of a lab: connections opened from inside a namespace, and what became of each.

A connection sends a line (udp: a datagram) and waits for the answer of :mod:`svcc.verify.lab.servers`.
"""

from __future__ import annotations

import errno
import selectors
import socket
import struct
import time
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import ip_address
from typing import Self, TypeAlias

from svcc.compiler.ir import Address, Protocol
from svcc.verify.lab.netns import Namespace

#: Seconds to wait for an answer. More than a second, as an icmp reject of a tcp connection that starts on the
#: very node is heard only when the SYN is repeated: the first one comes while the socket is locked.
TIMEOUT = 2.5

#: Connections of a batch that are under way at the same time.
_AT_ONCE = 64
_QUESTION = b"?\n"


class Failure(StrEnum):
    """Why there is no answer."""

    REFUSED = "refused"  # a tcp reset or an ICMP port unreachable in answer to the first packet
    RESET = "reset"  # ended after it was established, without an answer
    TIMEOUT = "timeout"  # silence; also EPERM, which is how a local drop of a datagram shows
    UNREACHABLE = "unreachable"  # ICMP host, network or policy unreachable, or no route


@dataclass(frozen=True, slots=True)
class Answer:
    """Who answered, and what it saw of the client."""

    name: str  # the server's name: for a pod its address
    port: int  # the port that the server listens on
    source: Address
    source_port: int

    @classmethod
    def parse(cls, line: bytes) -> Answer:
        name, port, source, source_port = line.decode().split()
        return cls(name, int(port), ip_address(source), int(source_port))


Result: TypeAlias = Answer | Failure

_FAILURES = {
    errno.ECONNREFUSED: Failure.REFUSED,
    errno.ECONNRESET: Failure.RESET,
    errno.EPIPE: Failure.RESET,
    errno.ETIMEDOUT: Failure.TIMEOUT,
    errno.EPERM: Failure.TIMEOUT,
    errno.EHOSTUNREACH: Failure.UNREACHABLE,
    errno.ENETUNREACH: Failure.UNREACHABLE,
    errno.EACCES: Failure.UNREACHABLE,  # ICMPv6 policy failures
    errno.ENOPROTOOPT: Failure.UNREACHABLE,  # ICMP protocol unreachable
}


def _failure(error: OSError, sock: socket.socket) -> Failure:
    """The failure that an error means; others (a taken source port, say) are raised again.

    A datagram that a local rule rejects fails with EPERM at once; the ICMP error then waits on the socket.
    """
    number = error.errno
    if number == errno.EPERM:
        number = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) or number
    if number not in _FAILURES:
        raise error
    return _FAILURES[number]


@dataclass(frozen=True, slots=True)
class Destination:
    """What to connect to, and from which source (of the namespace's choosing where None)."""

    address: Address
    port: int
    protocol: Protocol
    source: Address | None = None
    source_port: int | None = None

    def open_socket(self) -> socket.socket:
        """A non-blocking socket in the thread's namespace, bound where a source is asked for."""
        family = socket.AF_INET6 if self.address.version == 6 else socket.AF_INET
        kind = socket.SOCK_DGRAM if self.protocol is Protocol.UDP else socket.SOCK_STREAM
        number = socket.IPPROTO_SCTP if self.protocol is Protocol.SCTP else 0
        sock = socket.socket(family, kind, number)
        try:
            sock.setblocking(False)
            if self.source_port is not None:
                self._make_reusable(sock)
            if self.source is not None or self.source_port is not None:
                anywhere = "::" if self.address.version == 6 else "0.0.0.0"
                sock.bind((str(self.source or anywhere), self.source_port or 0))
        except OSError:
            sock.close()
            raise
        return sock

    def _make_reusable(self, sock: socket.socket) -> None:
        """Let the same source port be used again at once: no TIME-WAIT of the connection before is in the way."""
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if self.protocol is Protocol.TCP:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


class Conversation:
    """An open connection: asks any number of questions, to see that it keeps its endpoint. Close it after use."""

    def __init__(self, sock: socket.socket, failure: Failure | None, timeout: float) -> None:
        self._sock = sock
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
        return self.failure or self.send(_QUESTION) or self.receive()

    def send(self, data: bytes) -> Failure | None:
        """Send; servers answer every line (udp: every datagram)."""
        try:
            self._sock.sendall(data)
        except OSError as error:
            return _failure(error, self._sock)
        return None

    def receive(self) -> Result:
        """Wait for one answer."""
        while b"\n" not in self._buffer:
            try:
                data = self._sock.recv(4096)
            except TimeoutError:
                return Failure.TIMEOUT
            except OSError as error:
                return _failure(error, self._sock)
            if not data:
                return Failure.RESET
            self._buffer += data
        line, _, self._buffer = self._buffer.partition(b"\n")
        return Answer.parse(line)

    def close(self) -> None:
        self._sock.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def open_conversation(namespace: Namespace, destination: Destination, timeout: float) -> Conversation:
    """Connect; what went wrong is in the result's ``failure``."""
    with namespace.entered():
        sock = destination.open_socket()
    sock.settimeout(timeout)
    failure = None
    try:
        sock.connect((str(destination.address), destination.port))
    except TimeoutError:
        failure = Failure.TIMEOUT
    except OSError as error:
        failure = _failure(error, sock)
    return Conversation(sock, failure, timeout)


class _Attempt:
    """One connection of a batch, driven by the events of its socket."""

    __slots__ = ("_asked", "deadline", "done", "result", "sock")

    def __init__(self, sock: socket.socket, deadline: float) -> None:
        self.sock = sock
        self.deadline = deadline
        self.result: Result = Failure.TIMEOUT
        self.done = False
        self._asked = False

    def start(self, destination: Destination) -> None:
        code = self.sock.connect_ex((str(destination.address), destination.port))
        if code not in (0, errno.EINPROGRESS):
            self._finish(_failure(OSError(code, errno.errorcode[code]), self.sock))
        elif code == 0:  # a datagram socket
            self.step()

    @property
    def interest(self) -> int:
        return selectors.EVENT_READ if self._asked else selectors.EVENT_WRITE

    def step(self) -> None:
        """Go on as far as possible without waiting."""
        try:
            if not self._asked:
                self.sock.send(_QUESTION)
                self._asked = True
            else:
                line = self.sock.recv(4096)
                self._finish(Answer.parse(line) if line else Failure.RESET)
        except BlockingIOError:
            pass
        except OSError as error:
            self._finish(_failure(error, self.sock))

    def _finish(self, result: Result) -> None:
        self.result = result
        self.done = True


class Batch:
    """Many connections to one destination: started in order, some under way together, results in that order."""

    def __init__(self, namespace: Namespace, destination: Destination, timeout: float) -> None:
        self._namespace = namespace
        self._destination = destination
        self._timeout = timeout
        self._selector = selectors.DefaultSelector()
        self._under_way: dict[_Attempt, None] = {}  # oldest first

    def run(self, count: int, at_once: int = _AT_ONCE) -> list[Result]:
        attempts: list[_Attempt] = []
        with self._namespace.entered(), self._selector:
            while len(attempts) < count or self._under_way:
                while len(attempts) < count and len(self._under_way) < at_once:
                    attempts.append(self._start())
                self._wait()
        return [attempt.result for attempt in attempts]

    def _start(self) -> _Attempt:
        attempt = _Attempt(self._destination.open_socket(), time.monotonic() + self._timeout)
        attempt.start(self._destination)
        if attempt.done:
            attempt.sock.close()
        else:
            self._selector.register(attempt.sock, attempt.interest, attempt)
            self._under_way[attempt] = None
        return attempt

    def _wait(self) -> None:
        """Wait for something to happen to one of those under way, or for the oldest to run out of time."""
        oldest = next(iter(self._under_way), None)
        if oldest is None:
            return
        events = self._selector.select(max(0.0, oldest.deadline - time.monotonic()))
        for key, _ in events:
            attempt: _Attempt = key.data
            before = attempt.interest
            attempt.step()
            if attempt.done:
                self._end(attempt)
            elif attempt.interest != before:
                self._selector.modify(attempt.sock, attempt.interest, attempt)
        now = time.monotonic()
        for attempt in [a for a in self._under_way if a.deadline <= now]:
            self._end(attempt)

    def _end(self, attempt: _Attempt) -> None:
        self._selector.unregister(attempt.sock)
        attempt.sock.close()
        del self._under_way[attempt]
