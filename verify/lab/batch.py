"""Opens many connections at once, and asks one question on each."""

from __future__ import annotations

import errno
import os
import selectors
import socket
import time
from collections.abc import Callable, Iterable
from itertools import takewhile

from svcc.verify.lab.connection import QUESTION, Destination, NoReply, Reply, Result, failure_of, pending_error
from svcc.verify.lab.netns import Namespace

#: How many connections run at the same time, unless the caller gives another number.
AT_ONCE = 64


class _Attempt:
    """One connection of a batch. The events of its socket drive it."""

    __slots__ = ("_asked", "deadline", "done", "result", "sock")

    def __init__(self, sock: socket.socket, deadline: float) -> None:
        self.sock = sock
        self.deadline = deadline
        self.result: Result = NoReply.TIMEOUT
        self.done = False
        self._asked = False

    def start(self, destination: Destination) -> None:
        number = self.sock.connect_ex(destination.sockaddr)
        if number == 0:  # a datagram socket
            self.step()
        elif number != errno.EINPROGRESS:
            self._fail(number)

    @property
    def interest(self) -> int:
        return selectors.EVENT_READ if self._asked else selectors.EVENT_WRITE

    def step(self) -> None:
        """Go on as far as possible without waiting."""
        try:
            if not self._asked:
                self.sock.send(QUESTION)
                self._asked = True
            else:
                line = self.sock.recv(4096)
                self._finish(Reply.parse(line) if line else NoReply.RESET)
        except BlockingIOError:
            number = pending_error(self.sock)
            if number and not self._asked:
                self._fail(number)
        except OSError as error:
            self._finish(failure_of(error, self.sock))

    def _fail(self, number: int) -> None:
        self._finish(failure_of(OSError(number, os.strerror(number)), self.sock))

    def _finish(self, result: Result) -> None:
        self.result = result
        self.done = True


class Batch:
    """Connections that are started in order, some of them running at the same time.

    A connection without an answer fails after ``timeout`` seconds, but not before the servers have handled everything
    that had reached them (``catch_up``): a busy machine is no silent one.
    """

    def __init__(self, timeout: float, at_once: int, catch_up: Callable[[], None]) -> None:
        self._timeout = timeout
        self._at_once = at_once
        self._catch_up = catch_up
        self._selector = selectors.DefaultSelector()
        self._under_way: dict[_Attempt, None] = {}  # the oldest first

    def run(self, connections: Iterable[tuple[Namespace, Destination]]) -> list[Result]:
        """Run the connections, and return the results in the same order."""
        attempts: list[_Attempt] = []
        with self._selector:
            for namespace, destination in connections:
                with namespace.entered():
                    sock = destination.open_socket()
                attempts.append(self._start(sock, destination))
                while len(self._under_way) >= self._at_once:
                    self._wait()
            while self._under_way:
                self._wait()
        return [attempt.result for attempt in attempts]

    def _start(self, sock: socket.socket, destination: Destination) -> _Attempt:
        attempt = _Attempt(sock, time.monotonic() + self._timeout)
        attempt.start(destination)
        if attempt.done:
            sock.close()
        else:
            self._selector.register(sock, attempt.interest, attempt)
            self._under_way[attempt] = None
        return attempt

    def _wait(self) -> None:
        """Wait until something happens on a connection that runs, or the oldest one runs out of time."""
        oldest = next(iter(self._under_way))
        if self._go_on(max(0.0, oldest.deadline - time.monotonic())):
            return
        self._catch_up()
        if self._go_on(0):
            return
        now = time.monotonic()
        for attempt in list(takewhile(lambda a: a.deadline <= now, self._under_way)):
            self._end(attempt)

    def _go_on(self, seconds: float) -> bool:
        """Handle what happens within some seconds. Return whether anything did."""
        events = self._selector.select(seconds)
        for key, _ in events:
            attempt: _Attempt = key.data
            before = attempt.interest
            attempt.step()
            if attempt.done:
                self._end(attempt)
            elif attempt.interest != before:
                self._selector.modify(attempt.sock, attempt.interest, attempt)
        return bool(events)

    def _end(self, attempt: _Attempt) -> None:
        self._selector.unregister(attempt.sock)
        attempt.sock.close()
        del self._under_way[attempt]
