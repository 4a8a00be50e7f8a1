"""The kernel's own number for the state of nf_tables in a network namespace.

Every change by anybody moves it, iptables' nft variant among them. Listings, timeouts and elements that the path of a
packet adds do not (``nf_tables_commit`` in net/netfilter/nf_tables_api.c; NFT_MSG_GETGEN in nf_tables.h). To ask takes
microseconds, where a listing of ten thousand services takes seconds.
"""

from __future__ import annotations

import socket
import struct
import threading

from svcc.kernel.boot import boot_id
from svcc.kernel.nft import netlink
from svcc.kernel.steps import StepError

#: A number that no other namespace has until the machine starts anew (asm-generic/socket.h, since Linux 5.14).
_SO_NETNS_COOKIE = 71


class _Taken(threading.local):
    transactions = 0


_taken = _Taken()


def count(transactions: int) -> None:
    """Note that the calling thread has had so many transactions carried out, through whichever tool."""
    _taken.transactions += transactions


def transactions() -> int:
    """How many it has had carried out."""
    return _taken.transactions


def mark() -> str:
    """What only this state of the calling thread's namespace is called: start of the machine, namespace, generation.

    "": this kernel cannot say.
    """
    try:
        with netlink.kernel() as kernel:
            (cookie,) = struct.unpack("=Q", kernel.getsockopt(socket.SOL_SOCKET, _SO_NETNS_COOKIE, 8))
            return f"{boot_id()} {cookie} {netlink.generation(kernel)}"
    except (OSError, StepError):
        return ""


def later(mark: str, transactions: int) -> str:
    """The mark after so many more transactions: each is one generation."""
    place, _, number = mark.rpartition(" ")
    return f"{place} {(int(number) + transactions) & 0xFFFFFFFF}"
