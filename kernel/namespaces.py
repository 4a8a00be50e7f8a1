"""Network namespaces without names.

A namespace lives as long as something holds it: a process inside, or a file descriptor. Nothing is created below
/run/netns, so when the holders are gone, whatever their end, the kernel takes the namespace apart and with it every
device, route and rule inside (network_namespaces(7)).
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager

_CLONE_NEWNET = 0x40000000  # sched.h
_THREAD_NS = "/proc/thread-self/ns/net"
_libc = ctypes.CDLL(None, use_errno=True)


class NamespaceError(Exception):
    """A namespace cannot be made or entered; the message says why."""


def _check(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise NamespaceError(f"{what}: {os.strerror(number)} (network namespaces need root and a kernel that has them)")


@contextmanager
def _come_back() -> Iterator[None]:
    """Return the calling thread to the namespace it is in now (namespaces belong to threads)."""
    home = os.open(_THREAD_NS, os.O_RDONLY | os.O_CLOEXEC)
    try:
        yield
    finally:
        _check(_libc.setns(home, _CLONE_NEWNET), "setns back")
        os.close(home)


class Namespace:
    """A network namespace of its own, new and empty, loopback down. Errors: NamespaceError."""

    def __init__(self, name: str) -> None:
        self.name = name
        with _come_back():
            _check(_libc.unshare(_CLONE_NEWNET), "unshare")
            self.fd = os.open(_THREAD_NS, os.O_RDONLY | os.O_CLOEXEC)

    @property
    def path(self) -> str:
        """A path for ``nsenter --net=PATH`` and for iproute2's ``netns PATH``, good while this process lives."""
        return f"/proc/{os.getpid()}/fd/{self.fd}"

    @property
    def inode(self) -> int:
        """The namespace's number, as in ``/proc/PID/ns/net``."""
        return os.fstat(self.fd).st_ino

    @contextmanager
    def entered(self) -> Iterator[None]:
        """Be inside: sockets opened and processes started by this thread meanwhile belong to the namespace."""
        with _come_back():
            _check(_libc.setns(self.fd, _CLONE_NEWNET), f"setns {self.name}")
            yield

    def close(self) -> None:
        """Let go of the namespace. It ends with the last that holds it."""
        os.close(self.fd)
