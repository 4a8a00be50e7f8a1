"""Messages to systemd from a service of ``Type=notify`` (sd_notify(3)): lines of a datagram to $NOTIFY_SOCKET."""

from __future__ import annotations

import os
import socket
import time
from contextlib import suppress


def notify(*lines: str) -> None:
    """Send lines to the supervisor of this process. Without $NOTIFY_SOCKET there is none."""
    name = os.environ.get("NOTIFY_SOCKET", "")
    if not name:
        return
    address = "\0" + name[1:] if name.startswith("@") else name  # abstract, unix(7)
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock:
        sock.sendto("\n".join(lines).encode(), address)


def reloading() -> None:
    """Say that a reload begins; ``READY=1`` ends it."""
    notify("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")


def watchdog_pause() -> float | None:
    """Return the seconds between two signs of life: half of systemd's limit; None where systemd waits for none."""
    limit, whose = os.environ.get("WATCHDOG_USEC", ""), os.environ.get("WATCHDOG_PID", "")
    if not limit.isdigit() or not int(limit) or (whose and whose != str(os.getpid())):
        return None
    return int(limit) / 2_000_000
