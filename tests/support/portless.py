"""Packets of protocols without ports, such as GRE."""

from __future__ import annotations

import socket
from collections.abc import Callable
from contextlib import suppress

from support.waiting import until
from svcc.compiler import ir
from svcc.verify.lab import Lab


def arrives(lab: Lab, where: str | ir.Address, to: str | ir.Address, protocol: int, met: Callable[[], int]) -> None:
    """Send a packet of a protocol until ``met`` counts one that came.

    It is sent again where it did not come: who asks for a neighbour in vain on a busy machine drops it, and hears of
    that.
    """
    family = socket.AF_INET6 if ":" in str(to) else socket.AF_INET
    with lab.namespace(where).entered():
        sock = socket.socket(family, socket.SOCK_RAW, protocol)

    def came() -> bool:
        with suppress(OSError):
            sock.sendto(bytes(32), (str(to), 0))
        return met() > 0

    with sock:
        until(came, f"a packet of protocol {protocol} from {where} comes to {to}")
