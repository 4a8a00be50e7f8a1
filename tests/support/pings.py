"""Whether an address of a lab answers pings, on a machine that may be busy."""

from __future__ import annotations

from ipaddress import ip_address

from support.waiting import until
from svcc.compiler import ir
from svcc.verify.lab import Lab, NoReply


def pinged(lab: Lab, where: str | ir.Address, to: str | ir.Address) -> bool:
    """Ping until there is an answer; return whether it is one, and no refusal.

    Where nothing comes, it is sent again: a busy machine that gets no answer from a neighbour in time drops the packet.
    """

    def heard() -> list[NoReply | None]:
        found = lab.ping(where, ip_address(to))
        return [] if found is NoReply.TIMEOUT else [found]

    return until(heard, f"{to} answers a ping of {where}, or refuses it") == [None]
