"""Network namespaces without names, and the iproute2 and sysctl calls that furnish them.

A namespace lives as long as something holds it: here a file descriptor of the process that made it, and one of
its lab's server process. Nothing is created below /run/netns and no link ever exists in the machine's own
namespace, so when both processes are gone, whatever their end, the kernel takes the namespaces apart and with
them every device, route and rule inside.
"""

from __future__ import annotations

import ctypes
import os
import socket
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

_CLONE_NEWNET = 0x40000000  # sched.h
_THREAD_NS = "/proc/thread-self/ns/net"
_libc = ctypes.CDLL(None, use_errno=True)


class LabError(Exception):
    """The lab cannot be built or used on this machine; the message says why."""


def _check(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise LabError(f"{what}: {os.strerror(number)} (network namespaces need root and a kernel that has them)")


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
    """A network namespace of its own, new and empty, loopback down."""

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

    def ip(self, commands: Iterable[str]) -> None:
        """Run iproute2 commands (without the word ``ip``) as one batch; the first that fails is an error."""
        text = "\n".join(commands) + "\n"
        with self.entered():
            done = subprocess.run(["ip", "-batch", "-"], input=text, capture_output=True, text=True, check=False)
        if done.returncode:
            raise LabError(f"ip -batch in {self.name}: {done.stderr.strip()}")

    def try_nft(self, ruleset: str) -> None:
        """Load nftables rules where tool and kernel can, else do without."""
        with self.entered(), suppress(FileNotFoundError):
            subprocess.run(["nft", "-f", "-"], input=ruleset, capture_output=True, text=True, check=False)

    def sysctl(self, values: Mapping[str, int | str]) -> None:
        """Set sysctls by their path below /proc/sys, leaving out those that this kernel does not have.

        /proc/sys/net shows the namespace of the thread that looks.
        """
        with self.entered():
            for key, value in values.items():
                try:
                    Path("/proc/sys", key).write_text(str(value))
                except FileNotFoundError:
                    continue

    def close(self) -> None:
        os.close(self.fd)


def has_sctp() -> bool:
    """Whether the kernel has SCTP, perhaps as a module that asking loads. Asks in a namespace of its own."""
    namespace = Namespace("sctp")
    try:
        with namespace.entered():
            socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_SCTP).close()
    except OSError:
        return False
    finally:
        namespace.close()
    return True
