"""svcc as a process that is forked from one which has it imported: quicker than to start Python for it, and all else of
a process is the same.

What is about that start, or about a process while it runs, starts svcc itself (``Shell.words``).
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


def run(
    words: list[str], namespace: Namespace, folder: Path, environment: Mapping[str, str], given: str | None = None
) -> subprocess.CompletedProcess[str]:
    """Run svcc to its end. ``given``: what is on its standard input; None: as this process has it."""
    with ExitStack() as stack:
        (out, to_out), (err, to_err) = os.pipe(), os.pipe()
        for end in (out, err):
            stack.callback(os.close, end)
        answers, to_answers = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        stack.enter_context(answers)
        input = os.dup(0) if given is None else _pipe_with(given.encode())
        packet = json.dumps({"words": words, "folder": str(folder), "environment": dict(environment)}).encode()
        passed = [input, to_out, to_err, namespace.fd, to_answers.fileno()]
        socket.send_fds(_server(), [packet], passed)
        to_answers.close()
        for end in (input, to_out, to_err):
            os.close(end)
        child = int(answers.recv(20))
        try:
            said = _read(out, err)
            status = int(answers.recv(20))
        except BaseException:  # a limit of pytest's
            with suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
            raise
    return subprocess.CompletedProcess(["svcc", *words], status, *said)


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
