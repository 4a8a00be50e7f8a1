"""Hand-made TCP segments that repeat those of an open connection when nobody expects them any more."""

from __future__ import annotations

import socket
import struct
from typing import NamedTuple, Self

from svcc.verify.lab.netns import Namespace

_ETH_P_ALL = 0x0003
_ETHERNET = 14
_HEADERS = {0x0800: (4, 20, 9, slice(12, 20)), 0x86DD: (6, 40, 6, slice(8, 40))}  # version, length, protocol, addresses
#: How far ahead of the window a segment is, so that connection tracking calls it INVALID. It accepts segments from the
#: past (Linux 6.1).
_AHEAD = 0x1000_0000


class _Segment(NamedTuple):
    device: str
    outgoing: bool
    frame: bytes
    at: int  # where the TCP header begins
    pseudo: bytes  # addresses and protocol, for the checksum (RFC 9293, 3.1)

    @property
    def ports(self) -> tuple[int, int]:
        source, destination = struct.unpack_from("!HH", self.frame, self.at)
        return source, destination

    @property
    def sequence(self) -> int:
        return int(struct.unpack_from("!I", self.frame, self.at + 4)[0])

    @property
    def payload(self) -> int:
        """Its length in bytes. No frame of a lab is so small that it would have been padded."""
        return len(self.frame) - self.at - (self.frame[self.at + 12] >> 4) * 4


class Tap:
    """Listens on all devices of a namespace inside the ``with`` block."""

    def __init__(self, namespace: Namespace) -> None:
        self._namespace = namespace

    def __enter__(self) -> Self:
        with self._namespace.entered():
            self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ETH_P_ALL))
        self._socket.settimeout(0.2)
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def send_outside(self, port: int) -> None:
        """Send the last segment with data from or to ``port`` again, with a sequence number outside the window, and the
        acknowledgement of everything that this host has received."""
        heard = [segment for segment in self._heard() if port in segment.ports and segment.payload]
        said = [segment for segment in heard if segment.outgoing][-1]
        got = [segment for segment in heard if not segment.outgoing and segment.ports == said.ports[::-1]][-1]
        self._socket.sendto(_again(said, said.sequence + _AHEAD, got.sequence + got.payload), (said.device, 0))

    def _heard(self) -> list[_Segment]:
        found: list[_Segment] = []
        while True:
            try:
                frame, (device, _, kind, *_) = self._socket.recvfrom(65536)
            except TimeoutError:
                return found
            (ethertype,) = struct.unpack_from("!H", frame, 12)
            if ethertype not in _HEADERS:
                continue
            version, length, protocol, addresses = _HEADERS[ethertype]
            header = frame[_ETHERNET:]
            at = _ETHERNET + (length if version == 6 else (header[0] & 0x0F) * 4)
            if header[protocol] == socket.IPPROTO_TCP:
                found.append(_Segment(device, kind == socket.PACKET_OUTGOING, frame, at, header[addresses]))


def _again(said: _Segment, sequence: int, acknowledged: int) -> bytes:
    tcp = bytearray(said.frame[said.at :])
    struct.pack_into("!II", tcp, 4, sequence & 0xFFFF_FFFF, acknowledged & 0xFFFF_FFFF)
    struct.pack_into("!H", tcp, 16, 0)
    whole = said.pseudo + struct.pack("!HH", socket.IPPROTO_TCP, len(tcp)) + tcp + b"\0" * (len(tcp) % 2)
    total = sum(struct.unpack(f"!{len(whole) // 2}H", whole))
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    struct.pack_into("!H", tcp, 16, ~total & 0xFFFF)
    return said.frame[: said.at] + bytes(tcp)
