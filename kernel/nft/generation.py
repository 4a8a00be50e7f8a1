"""The kernel's generation number of nf_tables in a network namespace, which tells whether anything changed.

Every change by anybody increases it, also one by iptables' nft variant. Listings, timeouts and elements that packets
add do not (``nf_tables_commit`` in net/netfilter/nf_tables_api.c; NFT_MSG_GETGEN in nf_tables.h). To read it takes
microseconds, where a listing of ten thousand services takes seconds.
"""

from __future__ import annotations

import socket
import struct
import threading

from svcc.kernel.boot import boot_id
from svcc.kernel.nft import netlink
from svcc.kernel.steps import StepError

#: The socket option that gives a number which no other namespace has until the machine starts again
#: (asm-generic/socket.h, since Linux 5.14).
_SO_NETNS_COOKIE = 71


class _Taken(threading.local):
    """How many transactions each thread has had carried out."""

    transactions = 0


_taken = _Taken()


def count(transactions: int) -> None:
    """Count transactions that the calling thread has had carried out, by whichever tool."""
    _taken.transactions += transactions


def transactions() -> int:
    """Return how many transactions the calling thread has had carried out."""
    return _taken.transactions


def mark() -> str:
    """Return a text that only this state of the calling thread's namespace has: boot ID, namespace and generation.

    Return "" where the kernel cannot tell them.
    """
    try:
        with netlink.kernel() as kernel:
            (cookie,) = struct.unpack("=Q", kernel.getsockopt(socket.SOL_SOCKET, _SO_NETNS_COOKIE, 8))
            return f"{boot_id()} {cookie} {netlink.generation(kernel)}"
    except (OSError, StepError):
        return ""


def later(mark: str, transactions: int) -> str:
    """Return the mark after so many more transactions, each of which makes one generation."""
    place, _, number = mark.rpartition(" ")
    return f"{place} {(int(number) + transactions) & 0xFFFFFFFF}"
