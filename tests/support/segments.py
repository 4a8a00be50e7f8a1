"""Hand-made TCP segments of existing connections, outside the window: connection tracking calls them INVALID."""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from svcc.compiler import ir
from svcc.verify.lab import NODE, Conversation, Lab

#: linux/tcp.h
_REPAIR, _QUEUE, _SEQUENCE = 19, 20, 21
_RECEIVING, _SENDING = 1, 2
_ON, _OFF = 1, -1  # off, and nothing is sent to the other end
_ACK = 0x10
#: How far ahead a segment is, so that it is in no window. One behind the window is not INVALID on newer kernels
#: (nf_conntrack_proto_tcp.c: ignored, since Linux 6.2).
_AHEAD = 1 << 30


@dataclass(frozen=True)
class Sequence:
    """The sequence numbers that a client's socket sends next and expects next."""

    sends: int
    expects: int


def sequence(talk: Conversation) -> Sequence:
    """Return the sequence numbers of a client's end of a TCP connection (TCP_REPAIR, which needs root)."""
    with socket.socket(fileno=os.dup(talk.fileno())) as sock:
        sock.setsockopt(socket.IPPROTO_TCP, _REPAIR, _ON)
        found = []
        for queue in (_SENDING, _RECEIVING):
            sock.setsockopt(socket.IPPROTO_TCP, _QUEUE, queue)
            found.append(sock.getsockopt(socket.IPPROTO_TCP, _SEQUENCE) & 0xFFFF_FFFF)
        sock.setsockopt(socket.IPPROTO_TCP, _REPAIR, _OFF)
    return Sequence(*found)


@contextmanager
def strict(lab: Lab) -> Iterator[None]:
    """Have the node's connection tracking take up no connection in its middle: all such segments are INVALID."""
    lab.namespace(NODE).sysctl({"net/netfilter/nf_conntrack_tcp_loose": 0})
    try:
        yield
    finally:
        lab.namespace(NODE).sysctl({"net/netfilter/nf_conntrack_tcp_loose": 1})


Place = tuple[ir.Address, int]


def send(lab: Lab, where: str | ir.Address, source: Place, to: Place, seq: int, ack: int, flags: int = _ACK) -> None:
    """Send a segment with one byte of data from a host, whoever has the source address."""
    version = source[0].version
    family = socket.AF_INET if version == 4 else socket.AF_INET6
    with lab.namespace(where).entered():
        sock = socket.socket(family, socket.SOCK_RAW, socket.IPPROTO_RAW)
    with sock:
        if version == 6:
            sock.setsockopt(socket.IPPROTO_IPV6, 36, 1)  # IPV6_HDRINCL
        with suppress(PermissionError):  # a rule dropped it at once
            sock.sendto(_packet(source, to, seq, ack, flags), (str(to[0]), 0))


def _packet(source: Place, to: Place, seq: int, ack: int, flags: int) -> bytes:
    mask = 0xFFFF_FFFF
    head = struct.pack("!HHIIBBHHH", source[1], to[1], seq & mask, ack & mask, 5 << 4, flags, 512, 0, 0)
    data = head + b"?"
    addresses = source[0].packed + to[0].packed
    total = (
        struct.pack("!HH", socket.IPPROTO_TCP, len(data))
        if source[0].version == 4
        else struct.pack("!II", len(data), socket.IPPROTO_TCP)
    )
    data = data[:16] + struct.pack("!H", _checksum(addresses + total + data)) + data[18:]
    if source[0].version == 4:  # the kernel fills in length, identification and checksum
        ip = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(data), 0, 0, 64, socket.IPPROTO_TCP, 0)
    else:
        ip = struct.pack("!IHBB", 6 << 28, len(data), socket.IPPROTO_TCP, 64)
    return ip + addresses + data


def _checksum(data: bytes) -> int:
    """Return the Internet checksum (RFC 1071)."""
    data += b"\0" * (len(data) % 2)
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def stray_from_endpoint(lab: Lab, talk: Conversation, endpoint: Place, seen: Place) -> None:
    """Send a segment of the endpoint outside the window. ``endpoint``, ``seen``: both ends as the endpoint knows
    them."""
    at = sequence(talk)
    where = "node" if endpoint[0] in lab.node_addresses else endpoint[0]
    send(lab, where, endpoint, seen, at.expects + _AHEAD, at.sends)


def stray_from_client(lab: Lab, where: str | ir.Address, talk: Conversation, to: Place) -> None:
    """Send a segment of the client outside the window. ``to``: where the client connected to."""
    at = sequence(talk)
    send(lab, where, talk.local, to, at.sends + _AHEAD, at.expects)
