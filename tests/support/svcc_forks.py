"""svcc as a process that is forked from one which has it imported: quicker than to start Python for it, and all else of
a process is the same.

What is about that start, or about the process as others see it, starts svcc itself (``Shell.words``).
"""

from __future__ import annotations

import json
import os
import selectors
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from functools import cache
from pathlib import Path

from svcc.kernel.namespaces import Namespace

_SERVER = Path(__file__).with_name("svcc_fork_server.py")
#: The network that the tests were started in: the server must not keep a test's own alive.
_NETWORK = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
#: Bytes that a pipe holds before anybody reads (pipe(7)).
_PIPE = 65536
#: Bytes that are more than a number of the server's has.
_ANSWER = 20


def run(
    words: list[str], namespace: Namespace, folder: Path, environment: Mapping[str, str], given: str | None = None
) -> subprocess.CompletedProcess[str]:
    """Run svcc to its end. ``given``: what is on its standard input; None: as this process has it."""
    with ExitStack() as stack:
        (out, to_out), (err, to_err) = os.pipe(), os.pipe()
        for end in (out, err):
            stack.callback(os.close, end)
        input = os.dup(0) if given is None else _pipe_with(given.encode())
        process = _begun(words, namespace, folder, environment, (input, to_out, to_err))
        for end in (input, to_out, to_err):
            os.close(end)
        try:
            said = _read(out, err)
            status = process.wait()
        except BaseException:  # a limit of pytest's
            process.kill()
            raise
    return subprocess.CompletedProcess(["svcc", *words], status, *said)


class Process:
    """svcc while it runs, with what tests need of :class:`subprocess.Popen`."""

    def __init__(self, answers: socket.socket) -> None:
        """``answers``: where the server says the child's number, and later its status."""
        self._answers = answers
        self.pid = int(answers.recv(_ANSWER))
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """Return the exit status, or minus the number of the signal that ended it; None while it runs."""
        with suppress(BlockingIOError):
            self._hear(socket.MSG_DONTWAIT)
        return self.returncode

    def wait(self) -> int:
        """Wait for the end; return what :meth:`poll` does."""
        self._hear(0)
        assert self.returncode is not None
        return self.returncode

    def _hear(self, how: int) -> None:
        if self.returncode is None:
            self.returncode = int(self._answers.recv(_ANSWER, how))
            self._answers.close()

    def send_signal(self, number: signal.Signals) -> None:
        """Send a signal, unless it has ended."""
        if self.poll() is None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def kill(self) -> None:
        """Send SIGKILL, unless it has ended."""
        self.send_signal(signal.SIGKILL)


def begin(words: list[str], namespace: Namespace, folder: Path, environment: Mapping[str, str], err: int) -> Process:
    """Start svcc, and do not wait. ``err``: the descriptor of what it has as standard error; it reads and prints
    nothing."""
    with open(os.devnull, "r+b") as nothing:
        return _begun(words, namespace, folder, environment, (nothing.fileno(), nothing.fileno(), err))


def _begun(
    words: list[str],
    namespace: Namespace,
    folder: Path,
    environment: Mapping[str, str],
    streams: tuple[int, int, int],
) -> Process:
    """Have the server fork. ``streams``: the standard input, output and error, which stay open here."""
    answers, to_answers = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    packet = json.dumps({"words": words, "folder": str(folder), "environment": dict(environment)}).encode()
    with to_answers:
        socket.send_fds(_server(), [packet], [*streams, namespace.fd, to_answers.fileno()])
    return Process(answers)


def _pipe_with(given: bytes) -> int:
    assert len(given) <= _PIPE
    end, to_end = os.pipe()
    os.write(to_end, given)
    os.close(to_end)
    return end


def _read(*ends: int) -> list[str]:
    """What comes out of pipes until nobody writes to them any more."""
    found = dict.fromkeys(ends, b"")
    with selectors.DefaultSelector() as selector:
        for end in ends:
            selector.register(end, selectors.EVENT_READ)
        while selector.get_map():
            for key, _ in selector.select():
                piece = os.read(key.fd, _PIPE)
                found[key.fd] += piece
                if not piece:
                    selector.unregister(key.fd)
    return [text.decode() for text in found.values()]


@cache
def _server() -> socket.socket:
    """Where requests go. The server ends when this process does."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        number = theirs.fileno()
        words = ["nsenter", f"--net=/proc/{os.getpid()}/fd/{_NETWORK}", sys.executable, "-P", str(_SERVER), str(number)]
        process = subprocess.Popen(words, pass_fds=[number], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    process.returncode = 0  # it outlives those who might wait for it
    return ours
