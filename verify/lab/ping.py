"""Sends one ping from inside a namespace, to see what happens to packets without ports."""

from __future__ import annotations

import errno
import os
import selectors
import socket
import struct

from svcc.compiler.ir import Address
from svcc.verify.lab.connection import RECVERR, NoReply, failure_of, pending_error
from svcc.verify.lab.netns import Namespace

#: Echo requests (RFC 792, RFC 4443): type, code, checksum and identifier (which the kernel fills in), sequence number.
_REQUESTS = {4: struct.pack("!BBHHH", 8, 0, 0, 0, 1), 6: struct.pack("!BBHHH", 128, 0, 0, 0, 1)}
#: How often a request is sent within the timeout.
_TIMES = 4


def ping(namespace: Namespace, address: Address, timeout: float) -> NoReply | None:
    """Send an echo request and wait for its reply. Return None where it comes, else what came instead.

    Where nothing comes the request is sent again: a busy machine may fail to resolve a neighbour's address, and then
    drops packets for it. The request goes out through a ping socket (icmp(7)), which the namespace's
    ``net.ipv4.ping_group_range`` has to allow.
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
