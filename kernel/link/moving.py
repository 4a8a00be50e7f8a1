"""Notice that links or their addresses change (rtnetlink(7)), but not what changed."""

from __future__ import annotations

import socket

_GROUPS = 0x1 | 0x10 | 0x100  # RTMGRP_LINK, RTMGRP_IPV4_IFADDR, RTMGRP_IPV6_IFADDR
_LARGEST = 1 << 16


def changes() -> socket.socket:
    """Return a socket that becomes readable when links or addresses change. Its user then calls :func:`drained`.

    Errors: OSError.
    """
    made = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_NONBLOCK, socket.NETLINK_ROUTE)
    made.bind((0, _GROUPS))
    return made


def drained(source: socket.socket) -> None:
    """Take all messages from the socket, and ignore what they say."""
    while True:
        try:
            source.recv(_LARGEST)
        except BlockingIOError:
            return
        except OSError:  # the kernel dropped messages (ENOBUFS), which matters not: that something changed is known
            continue
