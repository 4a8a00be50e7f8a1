"""Starts and commands the lab's one server process (:mod:`svcc.verify.lab.servers`)."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from threading import Lock

from svcc.verify.lab.layout import Listener
from svcc.verify.lab.netns import LabError, Namespace
from svcc.verify.lab.servers import MARKER

#: How many seconds the process may take to answer.
_PATIENCE = 300.0


class ServerProcess:
    """A running server process that can listen in the given namespaces.

    It ends with this process, or with :meth:`end`.
    """

    def __init__(self, marker: str, namespaces: Mapping[str, Namespace], titles: Mapping[str, str]) -> None:
        """``titles``: the name of each host on its pages."""
        self._namespaces = namespaces
        self._titles = titles
        self._one_at_a_time = Lock()
        self._wire, theirs = socket.socketpair()
        self._wire.settimeout(_PATIENCE)
        self._answers = self._wire.makefile("rb")
        try:
            with theirs:
                self._process = self._start(theirs, marker)
        except BaseException:
            self._close()
            raise

    @property
    def pid(self) -> int:
        """The pid of the process."""
        return self._process.pid

    def listen(self, listeners: Iterable[Listener]) -> None:
        """Open all listeners that can be opened. Errors: LabError, which names all others."""
        self._command("listen", listeners)

    def stop(self, listeners: Iterable[Listener]) -> None:
        """Close listeners; their connections go on. Errors: LabError."""
        self._command("stop", listeners)

    def catch_up(self) -> None:
        """Return once everything that has reached the servers by now is answered. Errors: LabError."""
        for _ in range(3):  # in one round it accepts a connection, in one it answers, and one ends that
            self.listen(())

    def end(self) -> None:
        """Kill the process, and with it every listener."""
        self._process.kill()
        self._process.wait()
        self._close()

    def _start(self, wire: socket.socket, marker: str) -> subprocess.Popen[bytes]:
        owner = os.pidfd_open(os.getpid())
        script = str(Path(__file__).with_name("servers.py"))
        try:
            return subprocess.Popen(
                [sys.executable, "-I", "-S", script, str(wire.fileno()), str(owner), marker],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=[wire.fileno(), owner, *(namespace.fd for namespace in self._namespaces.values())],
                env={**os.environ, MARKER: marker},
            )
        finally:
            os.close(owner)

    def _command(self, verb: str, listeners: Iterable[Listener]) -> None:
        items = list(map(self._item, listeners))
        try:
            with self._one_at_a_time:
                self._wire.sendall(json.dumps({verb: items}).encode() + b"\n")
                answer = self._answers.readline()
        except OSError as error:
            raise LabError(f"the lab's server process does not answer: {error}") from error
        if not answer:
            raise LabError(f"the lab's server process has ended (exit status {self._process.wait()})")
        errors = json.loads(answer)["errors"]
        if errors:
            raise LabError("; ".join(errors))

    def _item(self, item: Listener) -> tuple[object, ...]:
        """Return a listener in the form that the process reads."""
        namespace, host = self._namespaces[item.where].fd, self._titles[item.where]
        return namespace, item.name, str(item.protocol), str(item.address), item.port, item.early, host

    def _close(self) -> None:
        self._answers.close()
        self._wire.close()
