"""What nft asks and tells the kernel, without its library (linux/netfilter/nf_tables.h).

The end of a table (DELTABLE), before which the library reads all sets of everybody's. And the generation (GETGEN),
which no tool shows.
"""

from __future__ import annotations

import errno
import os
import socket
import struct
from collections.abc import Iterable

from svcc.kernel.steps import StepError, ToolEnd

PART = "nft"

_NETFILTER = 12  # NETLINK_NETFILTER
_GET_GENERATION, _GENERATION = 10 << 8 | 16, 1  # NFNL_SUBSYS_NFTABLES with NFT_MSG_GETGEN, NFTA_GEN_ID
_DELETE_TABLE, _BATCH_BEGIN, _BATCH_END = 10 << 8 | 2, 16, 17  # NFT_MSG_DELTABLE, NFNL_MSG_BATCH_…
_ERROR, _REQUEST, _ACK = 2, 1, 4
_FAMILIES = {"ip": socket.AF_INET, "ip6": socket.AF_INET6}
_TABLE = 1


def delete_table(family: str, name: str) -> None:
    """End a table with all that is in it, if it is there. Errors: StepError."""
    place = struct.pack("=BBH", _FAMILIES[family], 0, 0) + _text(_TABLE, name)
    ends = struct.pack("=BBH", socket.AF_UNSPEC, 0, socket.htons(10))  # the subsystem whose batch it is
    batch = (
        _message(_BATCH_BEGIN, _REQUEST, 0, ends)
        + _message(_DELETE_TABLE, _REQUEST | _ACK, 1, place)
        + _message(_BATCH_END, _REQUEST, 2, ends)
    )
    with kernel() as opened:
        opened.send(batch)
        error = -struct.unpack_from("=i", _received(opened), 16)[0]
    if error and error != errno.ENOENT:
        raise StepError(PART, os.strerror(error), line="delete table")


def generation(kernel: socket.socket) -> int:
    """See :mod:`svcc.kernel.nft.generation`. Errors: StepError."""
    kernel.send(_message(_GET_GENERATION, _REQUEST, 0, struct.pack("=BBH", socket.AF_UNSPEC, 0, 0)))
    data = _received(kernel)
    if struct.unpack_from("=H", data, 4)[0] == _ERROR:
        raise StepError(PART, os.strerror(-struct.unpack_from("=i", data, 16)[0]), line="get generation")
    return int.from_bytes(dict(_attrs(data[20:]))[_GENERATION], "big")


def kernel() -> socket.socket:
    """To be asked by the calling thread's namespace. Errors: OSError, where it has no netfilter."""
    opened = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, _NETFILTER)
    opened.settimeout(10)
    return opened


def _message(kind: int, flags: int, number: int, body: bytes) -> bytes:
    return struct.pack("=IHHII", 16 + len(body), kind, flags, number, 0) + body


def _received(kernel: socket.socket) -> bytes:
    try:
        return kernel.recv(1 << 16)
    except TimeoutError:
        raise StepError(PART, "the kernel does not answer", end=ToolEnd.LATE) from None


def _attrs(data: bytes) -> Iterable[tuple[int, bytes]]:
    while len(data) >= 4:
        length, kind = struct.unpack_from("=HH", data)
        yield kind & 0x3FFF, data[4:length]
        data = data[max(4, _aligned(length)) :]


def _text(kind: int, value: str) -> bytes:
    data = value.encode() + b"\0"
    return struct.pack("=HH", 4 + len(data), kind) + data + bytes(-len(data) % 4)


def _aligned(length: int) -> int:
    return (length + 3) & ~3
