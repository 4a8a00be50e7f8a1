"""The lab's network namespaces, with calls to iproute2, nft and sysctl."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from svcc.kernel import namespaces as netns


class LabError(netns.NamespaceError):
    """The lab cannot be built or used on this machine; the message says why."""


class Namespace(netns.Namespace):
    """A network namespace with calls that configure it."""

    def ip(self, commands: Iterable[str]) -> None:
        """Run iproute2 commands (without the word ``ip``) as one batch. The first that fails is an error."""
        text = "\n".join(commands) + "\n"
        with self.entered():
            done = subprocess.run(["ip", "-batch", "-"], input=text, capture_output=True, text=True, check=False)
        if done.returncode:
            raise LabError(f"ip -batch in {self.name}: {done.stderr.strip()}")

    def try_nft(self, ruleset: str) -> None:
        """Load nftables rules where the tool and the kernel can, and do without them elsewhere."""
        with self.entered(), suppress(FileNotFoundError):
            subprocess.run(["nft", "-f", "-"], input=ruleset, capture_output=True, text=True, check=False)

    def sysctl(self, values: Mapping[str, int | str]) -> None:
        """Set sysctls, given by their path below /proc/sys, except those that this kernel does not have.

        /proc/sys/net shows the namespace of the thread that reads it.
        """
        with self.entered():
            for key, value in values.items():
                try:
                    Path("/proc/sys", key).write_text(str(value))
                except FileNotFoundError:
                    continue


def has_sctp() -> bool:
    """Whether the kernel has SCTP, built in or as a module that this check loads.

    The check runs in a namespace of its own.
    """
    namespace = Namespace("sctp")
    try:
        with namespace.entered():
            socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_SCTP).close()
    except OSError:
        return False
    finally:
        namespace.close()
    return True
