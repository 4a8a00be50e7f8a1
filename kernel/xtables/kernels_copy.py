"""Tells whether the legacy tables of a family are byte for byte as they were, by the kernel's own copy of them.

The kernel gives this copy to iptables-save (IPT_SO_GET_ENTRIES in linux/netfilter_ipv4/ip_tables.h, IP6T_SO_GET_ENTRIES
in linux/netfilter_ipv6/ip6_tables.h). So the same bytes make the same listing, with two exceptions: packet counters,
which are left out here, and sets, which rules hold by number. Where rules may hold sets, this module tells nothing.
Other bytes need not mean other rules: another program may have written the same rules anew.
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
#: struct ipt_getinfo: the table's name; its hooks, and where each begins and ends; the number of entries; their bytes.
_INFO = struct.Struct("=32s13I")
_HEAD = struct.Struct("=32sI4x")  # struct ipt_get_entries: name, size; entries are aligned to 8 bytes
_ZEROS = bytes(16)  # struct xt_counters
_next = struct.Struct("=H").unpack_from  # next_offset
#: Extensions whose rules hold the numbers of sets.
_SETS = (b"set", b"SET")


@dataclass(frozen=True, slots=True)
class _Family:
    """The layout of the kernel's structures for a family, on 64-bit machines."""

    address: int
    level: int
    proc: str  # the prefix of the files in /proc/net
    next: int  # offset of next_offset in struct ipt_entry or ip6t_entry
    counters: int  # offset of its counters
    size: int  # of the struct, in bytes


_FAMILIES: Mapping[str, _Family] = {
    "iptables": _Family(socket.AF_INET, socket.IPPROTO_IP, "ip", 90, 96, 112),
    "ip6tables": _Family(socket.AF_INET6, socket.IPPROTO_IPV6, "ip6", 142, 152, 168),
}


@dataclass(slots=True)
class _Table:
    """The last copy of a table; its memory also takes the next one."""

    data: mmap
    digest: str = ""
    places: array[int] | None = None  # offsets of its counters; the same digest confirms them


_tables: dict[tuple[str, bytes], _Table] = {}
_lock = Lock()


def look(family: str) -> str:
    """Return a digest of all legacy tables of a family in the calling thread's namespace, without counters. Tables with
    the same digest have the same listing. Return "" where that cannot be told.

    The memory of a copy, some 200 bytes for each rule, is kept for the next call: getting it anew would take a third of
    the time.
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
    """Return the digest of one table. Errors: OSError; ValueError where the kernel's answer cannot be read."""
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
        # Only counters were overwritten, and no lengths of entries, so the places can still be found anew to compare.
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
    """Read the entries of a table into ``data``. Errors: OSError, above all EAGAIN where the table has another size by
    now; ValueError where rules may hold sets."""
    _HEAD.pack_into(data, 0, name, len(data) - _HEAD.size)
    _ask(kernel, where, _GET_ENTRIES, data)
    loaded = {*_names(where, "tables_matches"), *_names(where, "tables_targets")}
    if any(extension in loaded and data.find(extension + b"\0") >= 0 for extension in _SETS):
        raise ValueError("rules may have sets by their numbers")


def _places(where: _Family, data: mmap, number: int) -> array[int] | None:
    """Return the offsets of the counters of each entry. Return None where so many entries do not fill their space."""
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
    """Overwrite the counters at these places with zeros, and return the digest of the table."""
    for place in places:
        data[place : place + 16] = _ZEROS
    made = sha256(info)
    made.update(data)
    return made.hexdigest()


def _ask(kernel: socket.socket, where: _Family, option: int, data: bytearray | mmap) -> None:
    """Call getsockopt(2) with a question in ``data``, which the answer replaces. Python's own ``getsockopt`` passes no
    question, and takes no answer of more than 1024 bytes. Errors: OSError; ValueError where the answer has another
    length."""
    length = ctypes.c_uint32(len(data))
    place = (ctypes.c_char * len(data)).from_buffer(data)
    if _libc.getsockopt(kernel.fileno(), where.level, option, place, ctypes.byref(length)):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    if length.value != len(data):
        raise ValueError(f"{length.value} bytes of {len(data)}")


def _names(where: _Family, what: str) -> list[bytes]:
    """Return the names of the tables that exist, or of the extensions that are loaded. Errors: OSError."""
    return Path(f"/proc/thread-self/net/{where.proc}_{what}").read_bytes().split()
