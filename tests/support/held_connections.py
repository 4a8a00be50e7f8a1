"""Connections that stay open, and are asked again at the end."""

from __future__ import annotations

import socket
from collections import Counter


class Held:
    """Open connections, each with the name that its server answered."""

    def __init__(self) -> None:
        self._held: list[tuple[socket.socket, bytes]] = []

    def keep(self, connection: socket.socket, name: bytes) -> None:
        """Hold one more connection. ``name``: the result of :func:`ask`."""
        self._held.append((connection, name))

    def end(self) -> Counter[str]:
        """Ask each connection once more, and close it. Count as ``held`` those that the same server answered, the
        others by the reason."""
        counted: Counter[str] = Counter()
        for connection, name in self._held:
            with connection:
                try:
                    counted["held" if ask(connection) == name else "answered by another"] += 1
                except OSError as error:
                    counted[f"held: {error}"] += 1
        return counted


def ask(connection: socket.socket) -> bytes:
    """Send a line, and return the name of the server that answers. Errors: OSError, also where it closes the connection
    instead."""
    connection.sendall(b"?\n")
    answer = connection.recv(200)
    if not answer:
        raise OSError("closed")
    return answer.split()[0]
