"""Waiting for packets that are under way."""

from __future__ import annotations

import socket
import time

#: Seconds to wait where the kernel cannot be asked to.
_LONG = 0.05


def wait_for_packets() -> None:
    """Return when every packet that went through rules at the time of the call is through.

    Packets pass netfilter's hooks under ``rcu_read_lock``; closing a packet socket waits for all that hold it
    (``packet_release`` in net/packet/af_packet.c calls ``synchronize_net``). Takes some ten milliseconds.
    """
    try:
        socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0).close()
    except OSError:  # a kernel without packet sockets
        time.sleep(_LONG)
