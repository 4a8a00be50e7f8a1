"""How long IPVS remembers connections that nothing is sent on (ipvsadm(8), ``--set``)."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

from svcc.kernel import tools

_SAID = re.compile(r"Timeout \(tcp tcpfin udp\): (\d+) (\d+) (\d+)")


class Timeouts(NamedTuple):
    """Seconds: of an open connection of TCP, of one that is half closed, of a flow of UDP."""

    tcp: int
    tcpfin: int
    udp: int


#: What the kernel begins with (tcp_timeouts in ip_vs_proto_tcp.c, udp_timeouts in ip_vs_proto_udp.c).
USUAL = Timeouts(900, 120, 300)


def timeouts() -> Timeouts | None:
    """The timeouts of the calling thread's network namespace; None: there is no IPVS, or nothing that reads them.

    Nothing is loaded for it.
    """
    if not Path("/proc/thread-self/net/ip_vs").exists() or tools.find("ipvsadm") is None:
        return None
    found = _SAID.search(tools.run(["ipvsadm", "-L", "--timeout"]).stdout)
    return Timeouts(*map(int, found.groups())) if found else None
