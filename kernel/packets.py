"""Wait for packets that are under way."""

from __future__ import annotations

import socket
import time

#: Seconds to wait where the kernel cannot tell when the packets are through.
_LONG = 0.05


def wait_for_packets() -> None:
    """Wait until every packet that is in the middle of rules at the time of the call is through them.

    Packets pass netfilter's hooks under ``rcu_read_lock``. Closing a packet socket waits for all that hold this lock
    (``packet_release`` in net/packet/af_packet.c calls ``synchronize_net``). It takes some ten milliseconds.
    """
    try:
        socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0).close()
    except OSError:  # a kernel without packet sockets
        time.sleep(_LONG)
