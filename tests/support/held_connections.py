"""Connections that are open all the while, and are asked again at the end."""

from __future__ import annotations

import socket
from collections import Counter


class Held:
    """Connections, each with the name that its server answered with."""

    def __init__(self) -> None:
        self._held: list[tuple[socket.socket, bytes]] = []

    def keep(self, connection: socket.socket, name: bytes) -> None:
        """Hold one more. ``name``: what :func:`ask` gave."""
        self._held.append((connection, name))

    def end(self) -> Counter[str]:
        """Ask each once more, and close it. Counts ``held`` of those that the same server answered, or else why not."""
        counted: Counter[str] = Counter()
        for connection, name in self._held:
            with connection:
                try:
                    counted["held" if ask(connection) == name else "answered by another"] += 1
                except OSError as error:
                    counted[f"held: {error}"] += 1
        return counted


def ask(connection: socket.socket) -> bytes:
    """The name of the server that answers a line. Errors: OSError, also where it closes the connection instead."""
    connection.sendall(b"?\n")
    answer = connection.recv(200)
    if not answer:
        raise OSError("closed")
    return answer.split()[0]
