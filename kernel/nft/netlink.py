"""Speak to nf_tables in the kernel without nft's library (linux/netfilter/nf_tables.h).

svcc deletes a table so (DELTABLE) where the library cannot, as that reads everybody's sets first. It asks whether a
table exists (GETTABLE), without a process for that. And it reads the generation number (GETGEN), which no tool shows.
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
_GET_TABLE = 10 << 8 | 1  # NFT_MSG_GETTABLE
_DELETE_TABLE, _BATCH_BEGIN, _BATCH_END = 10 << 8 | 2, 16, 17  # NFT_MSG_DELTABLE, NFNL_MSG_BATCH_…
_ERROR, _REQUEST, _ACK = 2, 1, 4
_FAMILIES = {"ip": socket.AF_INET, "ip6": socket.AF_INET6}
_TABLE = 1


def delete_table(family: str, name: str) -> None:
    """Delete a table with all that is in it, if it exists. Errors: StepError."""
    place = struct.pack("=BBH", _FAMILIES[family], 0, 0) + _text(_TABLE, name)
    ends = struct.pack("=BBH", socket.AF_UNSPEC, 0, socket.htons(10))  # NFNL_SUBSYS_NFTABLES: the batch is for it
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


def lacks(family: str, *names: str) -> bool:
    """Whether the kernel says that none of these tables exists. False also where it gives another error: then nft has
    to be called, which can say what it means."""
    try:
        with kernel() as opened:
            return all(_error_of_table(opened, family, name) == errno.ENOENT for name in names)
    except (OSError, StepError):
        return False


def _error_of_table(kernel: socket.socket, family: str, name: str) -> int:
    """Return the errno that the kernel gives when asked for a table; 0 where the table exists. Errors: OSError,
    StepError."""
    kernel.send(_message(_GET_TABLE, _REQUEST, 0, struct.pack("=BBH", _FAMILIES[family], 0, 0) + _text(_TABLE, name)))
    data = _received(kernel)
    return -struct.unpack_from("=i", data, 16)[0] if struct.unpack_from("=H", data, 4)[0] == _ERROR else 0


def generation(kernel: socket.socket) -> int:
    """Return the generation number; see :mod:`svcc.kernel.nft.generation`. Errors: OSError, StepError."""
    kernel.send(_message(_GET_GENERATION, _REQUEST, 0, struct.pack("=BBH", socket.AF_UNSPEC, 0, 0)))
    data = _received(kernel)
    if struct.unpack_from("=H", data, 4)[0] == _ERROR:
        raise StepError(PART, os.strerror(-struct.unpack_from("=i", data, 16)[0]), line="get generation")
    return int.from_bytes(dict(_attrs(data[20:]))[_GENERATION], "big")


def kernel() -> socket.socket:
    """Return a socket to netfilter in the calling thread's namespace. Errors: OSError, where the kernel has none."""
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
