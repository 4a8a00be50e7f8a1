"""A socket that becomes readable when links or their addresses change (rtnetlink(7)). What changed is not read."""

from __future__ import annotations

import socket

_GROUPS = 0x1 | 0x10 | 0x100  # RTMGRP_LINK, RTMGRP_IPV4_IFADDR, RTMGRP_IPV6_IFADDR
_LARGEST = 1 << 16


def changes() -> socket.socket:
    """A socket that can be read when something changed; whoever waits for it calls :func:`drained` then.

    Errors: OSError.
    """
    made = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_NONBLOCK, socket.NETLINK_ROUTE)
    made.bind((0, _GROUPS))
    return made


def drained(source: socket.socket) -> None:
    """Take all messages from the socket. Only that they came is of use."""
    while True:
        try:
            source.recv(_LARGEST)
        except BlockingIOError:
            return
        except OSError:  # more came than was taken (ENOBUFS): that something changed is known all the same
            continue
