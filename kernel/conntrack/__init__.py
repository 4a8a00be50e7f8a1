"""List the connections that the kernel remembers (conntrack(8)), count them by endpoint, and have it forget some."""

from __future__ import annotations

from svcc.kernel.conntrack.entries import Connection, Volume, connections, forget
from svcc.kernel.conntrack.routes import Shown, Usage, count, stale_connections, tally, usage

__all__ = [
    "Connection",
    "Shown",
    "Usage",
    "Volume",
    "connections",
    "count",
    "forget",
    "stale_connections",
    "tally",
    "usage",
]
