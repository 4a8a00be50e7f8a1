"""One ping from inside a namespace: what becomes of a packet that has no ports."""

from __future__ import annotations

import errno
import os
import selectors
import socket
import struct

from svcc.compiler.ir import Address
from svcc.verify.lab.connection import RECVERR, NoReply, failure_of, pending_error
from svcc.verify.lab.netns import Namespace

#: Echo requests (RFC 792, RFC 4443): type, code; checksum and identifier are the kernel's to fill in; sequence number.
_REQUESTS = {4: struct.pack("!BBHHH", 8, 0, 0, 0, 1), 6: struct.pack("!BBHHH", 128, 0, 0, 0, 1)}
#: How often one is sent in the time that is given.
_TIMES = 4


def ping(namespace: Namespace, address: Address, timeout: float) -> NoReply | None:
    """Send an echo request and wait for its reply: None, or what came instead.

    Where nothing comes it is sent again: a busy machine that asks for a neighbour in vain drops what was for it.
    It is sent by a ping socket (icmp(7)), which the namespace's ``net.ipv4.ping_group_range`` has to allow.
    """
    family = socket.AF_INET6 if address.version == 6 else socket.AF_INET
    protocol = socket.IPPROTO_ICMPV6 if address.version == 6 else socket.IPPROTO_ICMP
    with namespace.entered():
        sock = socket.socket(family, socket.SOCK_DGRAM, protocol)
    with sock, selectors.DefaultSelector() as selector:
        sock.setblocking(False)
        sock.setsockopt(*RECVERR[family], 1)
        try:
            sock.connect((str(address), 0))
            selector.register(sock, selectors.EVENT_READ)
            for _ in range(_TIMES):
                sock.send(_REQUESTS[address.version])
                if selector.select(timeout / _TIMES):
                    break
            else:
                return NoReply.TIMEOUT
            number = pending_error(sock)
            if number:
                return failure_of(OSError(number, os.strerror(number)), sock)
            sock.recv(4096)
        except OSError as error:
            if error.errno == errno.EPERM and not pending_error(sock):
                return NoReply.TIMEOUT
            return failure_of(error, sock)
    return None
