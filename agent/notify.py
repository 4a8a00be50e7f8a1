"""What systemd is told of a service of ``Type=notify`` (sd_notify(3)): lines of a datagram to $NOTIFY_SOCKET."""

from __future__ import annotations

import os
import socket
import time
from contextlib import suppress


def notify(*lines: str) -> None:
    """Tell whoever supervises this process; nobody does where $NOTIFY_SOCKET is not set."""
    name = os.environ.get("NOTIFY_SOCKET", "")
    if not name:
        return
    address = "\0" + name[1:] if name.startswith("@") else name  # abstract, unix(7)
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as made:
        made.sendto("\n".join(lines).encode(), address)


def reloading() -> None:
    """A reload begins; ``READY=1`` ends it."""
    notify("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")


def watchdog_pause() -> float | None:
    """Seconds between the signs of life that systemd waits for: half of its limit. None: it waits for none."""
    limit, whose = os.environ.get("WATCHDOG_USEC", ""), os.environ.get("WATCHDOG_PID", "")
    if not limit.isdigit() or not int(limit) or (whose and whose != str(os.getpid())):
        return None
    return int(limit) / 2_000_000
