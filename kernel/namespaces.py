"""Network namespaces without names.

A namespace lives as long as something holds it: a process inside, or a file descriptor. Nothing is created below
/run/netns, so when the holders are gone, whatever their end, the kernel takes the namespace apart and with it every
device, route and rule inside (network_namespaces(7)).
"""

from __future__ import annotations

import ctypes
import os
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from fcntl import ioctl

_CLONE_NEWNET = 0x40000000  # sched.h
_SIOCGIFFLAGS, _SIOCSIFFLAGS, _IFF_UP = 0x8913, 0x8914, 1  # netdevice(7)
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
    """Return the calling thread to the namespace it is in now (namespaces belong to threads). Errors: NamespaceError.

    Before the ``with`` block the thread enters the namespace that it is in. Where the kernel refuses that, it could not
    come back later, so it never leaves (root of a user namespace whose network namespace belongs to another one).
    """
    home = _own()
    try:
        _check(_libc.setns(home, _CLONE_NEWNET), "setns")
        try:
            yield
        finally:
            _check(_libc.setns(home, _CLONE_NEWNET), "setns back")
    finally:
        os.close(home)


def _own() -> int:
    """Return a descriptor of the namespace that the calling thread is in. Errors: NamespaceError."""
    try:
        return os.open(_THREAD_NS, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise NamespaceError(f"{_THREAD_NS}: {error.strerror} (is /proc mounted?)") from None


class Namespace:
    """A new and empty network namespace, with its loopback down. Errors: NamespaceError."""

    def __init__(self, name: str) -> None:
        self.name = name
        with _come_back():
            _check(_libc.unshare(_CLONE_NEWNET), "unshare")
            self.fd = _own()

    @property
    def path(self) -> str:
        """A path for ``nsenter --net=PATH`` and for iproute2's ``netns PATH``, valid as long as this process lives."""
        return f"/proc/{os.getpid()}/fd/{self.fd}"

    @property
    def inode(self) -> int:
        """The namespace's number, as in ``/proc/PID/ns/net``."""
        return os.fstat(self.fd).st_ino

    @contextmanager
    def entered(self) -> Iterator[None]:
        """Enter the namespace for the ``with`` block: sockets that this thread opens and processes that it starts there
        belong to the namespace."""
        with _come_back():
            _check(_libc.setns(self.fd, _CLONE_NEWNET), f"setns {self.name}")
            yield

    def bring_loopback_up(self) -> None:
        """Set the loopback device up. No process is started for that, because each plan tries its steps in several
        namespaces.

        Errors: NamespaceError.
        """
        with self.entered(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
            try:
                name, flags = struct.unpack("16sH22x", ioctl(any_socket, _SIOCGIFFLAGS, struct.pack("16s24x", b"lo")))
                ioctl(any_socket, _SIOCSIFFLAGS, struct.pack("16sH22x", name, flags | _IFF_UP))
            except OSError as error:
                raise NamespaceError(f"lo of {self.name} does not come up: {error.strerror}") from None

    def close(self) -> None:
        """Let go of the namespace. It ends when nothing else holds it."""
        os.close(self.fd)
