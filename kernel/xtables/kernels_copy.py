"""Whether the legacy tables of a family are byte for byte what they were, by the kernel's own copy of them.

iptables-save prints what the kernel gives (IPT_SO_GET_ENTRIES in linux/netfilter_ipv4/ip_tables.h, IP6T_SO_GET_ENTRIES
in linux/netfilter_ipv6/ip6_tables.h). So the same bytes are the same listing, but for the counters of packets, which
are left out here, and for sets, which rules have by number: where there may be such rules, nothing is told. Other bytes
say little: another program may have written the same rules anew.
"""

from __future__ import annotations

import ctypes
import os
import socket
import struct
from array import array
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from mmap import mmap
from pathlib import Path
from threading import Lock

_libc = ctypes.CDLL(None, use_errno=True)
_GET_INFO, _GET_ENTRIES = 64, 65  # IPT_SO_GET_INFO, IPT_SO_GET_ENTRIES; those of IPv6 are the same
_INFO = struct.Struct(
    "=32s13I"
)  # struct ipt_getinfo: name; hooks, where each begins and ends; entries, and their bytes
_HEAD = struct.Struct("=32sI4x")  # struct ipt_get_entries: name, size; entries are aligned to 8 bytes
_ZEROS = bytes(16)  # struct xt_counters
_next = struct.Struct("=H").unpack_from  # next_offset
#: Extensions whose rules hold the numbers of sets.
_SETS = (b"set", b"SET")


@dataclass(frozen=True, slots=True)
class _Family:
    """Where things are in the kernel's structures, on machines of 64 bits."""

    address: int
    level: int
    proc: str  # what the files in /proc/net begin with
    next: int  # offset of next_offset in struct ipt_entry or ip6t_entry
    counters: int  # that of its counters
    size: int


_FAMILIES: Mapping[str, _Family] = {
    "iptables": _Family(socket.AF_INET, socket.IPPROTO_IP, "ip", 90, 96, 112),
    "ip6tables": _Family(socket.AF_INET6, socket.IPPROTO_IPV6, "ip6", 142, 152, 168),
}


@dataclass(slots=True)
class _Table:
    """A table as it was last, and memory for its next copy."""

    data: mmap
    digest: str = ""
    places: array[int] | None = None  # where its counters are; the same digest says that they are there again


_tables: dict[tuple[str, bytes], _Table] = {}
_lock = Lock()


def look(family: str) -> str:
    """A digest of all legacy tables of a family in the calling thread's namespace, without counters: tables that have
    the same one are listed alike. "": it cannot be told.

    Memory for a copy is kept from call to call, some 200 bytes for each rule: new memory takes a third of the time.
    """
    if struct.calcsize("P") != 8 or family not in _FAMILIES:
        return ""
    where, made = _FAMILIES[family], sha256()
    try:
        with _lock, socket.socket(where.address, socket.SOCK_RAW, socket.IPPROTO_RAW) as kernel:
            for table in sorted(_names(where, "tables_names")):
                made.update(_digest_of(family, table, kernel).encode())
    except (OSError, ValueError):
        return ""
    return made.hexdigest()


def _digest_of(family: str, name: bytes, kernel: socket.socket) -> str:
    """Errors: OSError; ValueError: it is none that this reads."""
    where = _FAMILIES[family]
    info = bytearray(_INFO.pack(name, *[0] * 13))
    _ask(kernel, where, _GET_INFO, info)
    number, size = _INFO.unpack(info)[-2:]
    table = _tables.get((family, name))
    if table is None or len(table.data) != _HEAD.size + size:
        table = _tables[family, name] = _Table(mmap(-1, _HEAD.size + size))
    _fetch(kernel, where, name, table.data)
    if table.places is not None:
        found = _without_counters(info, table.data, table.places)
        # That left the lengths alone by which these places are found, so that it shows whether they are still right.
        if found != table.digest and _places(where, table.data, number) == table.places:
            table.digest = found
        if found == table.digest:
            return found
        _fetch(kernel, where, name, table.data)
    places = _places(where, table.data, number)
    if places is None:
        raise ValueError("the entries do not fill their space")
    table.digest, table.places = _without_counters(info, table.data, places), places
    return table.digest


def _fetch(kernel: socket.socket, where: _Family, name: bytes, data: mmap) -> None:
    """Errors: OSError: the table has another size by now, above all (EAGAIN); ValueError."""
    _HEAD.pack_into(data, 0, name, len(data) - _HEAD.size)
    _ask(kernel, where, _GET_ENTRIES, data)
    loaded = {*_names(where, "tables_matches"), *_names(where, "tables_targets")}
    if any(extension in loaded and data.find(extension + b"\0") >= 0 for extension in _SETS):
        raise ValueError("rules may have sets by their numbers")


def _places(where: _Family, data: mmap, number: int) -> array[int] | None:
    """Where the counters of each entry are. None: so many entries do not fill their space."""
    found = array("I", _counters(where, data))
    end = found[-1] - where.counters if found else len(data)
    full = bool(found) and end + _next(data, end + where.next)[0] == len(data)
    return found if full and len(found) == number else None


def _counters(where: _Family, data: mmap) -> Iterator[int]:
    at, last, next_offset, counters, size = _HEAD.size, len(data) - where.size, where.next, where.counters, where.size
    while at <= last:
        yield at + counters
        (step,) = _next(data, at + next_offset)
        if step < size:
            break
        at += step


def _without_counters(info: bytearray, data: mmap, places: array[int]) -> str:
    """The digest of a table. Its counters, which are at these places, become zeros."""
    for place in places:
        data[place : place + 16] = _ZEROS
    made = sha256(info)
    made.update(data)
    return made.hexdigest()


def _ask(kernel: socket.socket, where: _Family, option: int, data: bytearray | mmap) -> None:
    """getsockopt(2) with a question in ``data``, where the answer comes to be. ``socket.getsockopt`` asks none, and
    takes no answer of more than 1024 bytes. Errors: OSError; ValueError: the answer has another length."""
    length = ctypes.c_uint32(len(data))
    place = (ctypes.c_char * len(data)).from_buffer(data)
    if _libc.getsockopt(kernel.fileno(), where.level, option, place, ctypes.byref(length)):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    if length.value != len(data):
        raise ValueError(f"{length.value} bytes of {len(data)}")


def _names(where: _Family, what: str) -> list[bytes]:
    """The names of tables that there are, or of extensions that are loaded. Errors: OSError."""
    return Path(f"/proc/thread-self/net/{where.proc}_{what}").read_bytes().split()
