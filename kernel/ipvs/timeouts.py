"""Read how long IPVS remembers a connection on which nothing is sent (ipvsadm(8), ``--set``)."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

from svcc.kernel import tools

_PRINTED = re.compile(r"Timeout \(tcp tcpfin udp\): (\d+) (\d+) (\d+)")


class Timeouts(NamedTuple):
    """Timeouts in seconds: of an open TCP connection, of a half-closed one, and of a UDP flow."""

    tcp: int
    tcpfin: int
    udp: int


#: The kernel's defaults (tcp_timeouts in ip_vs_proto_tcp.c, udp_timeouts in ip_vs_proto_udp.c).
USUAL = Timeouts(900, 120, 300)


def timeouts() -> Timeouts | None:
    """Return the timeouts of the calling thread's network namespace; None where it has no IPVS, or where ipvsadm is not
    installed. No module is loaded for that.
    """
    if not Path("/proc/thread-self/net/ip_vs").exists() or tools.find("ipvsadm") is None:
        return None
    found = _PRINTED.search(tools.run(["ipvsadm", "-L", "--timeout"]).stdout)
    return Timeouts(*map(int, found.groups())) if found else None
