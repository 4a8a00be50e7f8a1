"""What nft asks and tells the kernel, without its library (linux/netfilter/nf_tables.h).

Single elements of sets, asked for by key (GETSETELEM): ``nft get element`` loads all sets of the table before it asks,
which takes as long as a listing of everything. The end of a table (DELTABLE), before which the library reads all sets
of everybody's. And the generation (GETGEN), which no tool shows.
"""

from __future__ import annotations

import errno
import os
import socket
import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from ipaddress import ip_address

from svcc.kernel.nft.elements import PROTOCOLS
from svcc.kernel.nft.state import VERDICT, Declaration, Element
from svcc.kernel.steps import End, StepError

PART = "nft"

_NETFILTER = 12  # NETLINK_NETFILTER
_NEW, _GET = 10 << 8 | 12, 10 << 8 | 13  # NFNL_SUBSYS_NFTABLES with NFT_MSG_NEWSETELEM, …_GETSETELEM
_GET_GENERATION, _GENERATION = 10 << 8 | 16, 1  # NFT_MSG_GETGEN, NFTA_GEN_ID
_DELETE_TABLE, _BATCH_BEGIN, _BATCH_END = 10 << 8 | 2, 16, 17  # NFT_MSG_DELTABLE, NFNL_MSG_BATCH_…
_ERROR, _REQUEST, _ACK = 2, 1, 4
_FAMILIES = {"ip": socket.AF_INET, "ip6": socket.AF_INET6}
_TABLE, _SET, _ELEMENTS, _ELEMENT = 1, 2, 3, 1
_KEY, _DATA, _FLAGS, _COMMENTS = 1, 2, 3, 6
_VALUE, _VERDICT, _CODE, _CHAIN = 1, 2, 1, 2
_PLAIN = {_KEY, _DATA, _FLAGS, _COMMENTS}  # all that elements of ours have
_NESTED = 0x8000
_VERDICTS = {-5: "return", -4: "goto", -3: "jump", -1: "continue", 0: "drop", 1: "accept"}
_NUMBERS = {name: number for number, name in PROTOCOLS.items()}
#: How many requests are under way at a time.
_AHEAD = 64

_SIZES = {"ipv4_addr": 4, "ipv6_addr": 16, "inet_proto": 1, "inet_service": 2}


def can_ask(declaration: Declaration) -> bool:
    """Whether elements of such a set can be asked for: of single values, of types that are known here."""
    types = (*declaration.types, *([] if declaration.data in (None, VERDICT) else [declaration.data]))
    return declaration == Declaration(declaration.types, declaration.data) and all(kind in _SIZES for kind in types)


def elements(family: str, table: str, name: str, declaration: Declaration, keys: Sequence[str]) -> dict[str, Element]:
    """Those of the elements that are there. Errors: StepError."""
    kinds, data = declaration.types, declaration.data
    head = struct.pack("=BBH", _FAMILIES[family], 0, 0) + _text(_TABLE, table) + _text(_SET, name)
    values = [_attr(_VALUE, _key(key, kinds)) for key in keys]
    requests = [head + _nested(_ELEMENTS, _nested(_ELEMENT, _nested(_KEY, value))) for value in values]
    found = {key: answer for key, answer in zip(keys, _ask(requests), strict=True) if answer is not None}
    return {key: _element(answer, data) for key, answer in found.items()}


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
        _only_absent(struct.unpack_from("=i", _received(opened), 16)[0], "delete table")


# ---- keys and values


def _key(key: str, kinds: Sequence[str]) -> bytes:
    """Each part in a register of its own."""
    parts = zip(key.split(" . "), kinds, strict=True)
    return b"".join(_padded(_part(part, kind)) for part, kind in parts) if len(kinds) > 1 else _part(key, kinds[0])


def _part(part: str, kind: str) -> bytes:
    if kind.endswith("_addr"):
        return ip_address(part).packed
    return int(_NUMBERS.get(part, part)).to_bytes(_SIZES[kind], "big")


def _element(answer: Mapping[int, bytes], data: str | None) -> Element:
    """As :func:`svcc.kernel.nft.elements.read_elements` has it."""
    value = "" if data is None else _value(dict(_attrs(answer.get(_DATA, b""))), data)
    extra = "" if answer.keys() <= _PLAIN else " and more"
    return value + extra, _comment(answer.get(_COMMENTS, b""))


def _value(answer: Mapping[int, bytes], data: str) -> str:
    if data == "verdict":
        verdict = dict(_attrs(answer.get(_VERDICT, b"")))
        word = _VERDICTS.get(int.from_bytes(verdict.get(_CODE, b""), "big", signed=True), "?")
        chain = verdict.get(_CHAIN, b"").rstrip(b"\0").decode()
        return f"{word} {chain}".rstrip()
    packed = answer.get(_VALUE, b"")[: _SIZES[data]]
    return str(ip_address(packed)) if data.endswith("_addr") else str(int.from_bytes(packed, "big"))


def _comment(data: bytes) -> str:
    """From the list of types, lengths and values that nft keeps with an element; type 0 is a comment."""
    while len(data) >= 2:
        kind, length = data[0], data[1]
        if kind == 0:
            return data[2 : 2 + length].rstrip(b"\0").decode(errors="replace")
        data = data[2 + length :]
    return ""


def generation(kernel: socket.socket) -> int:
    """See :mod:`svcc.kernel.nft.generation`. Errors: StepError."""
    kernel.send(_message(_GET_GENERATION, _REQUEST, 0, struct.pack("=BBH", socket.AF_UNSPEC, 0, 0)))
    data = _received(kernel)
    if struct.unpack_from("=H", data, 4)[0] == _ERROR:
        raise StepError(PART, os.strerror(-struct.unpack_from("=i", data, 16)[0]), line="get generation")
    return int.from_bytes(dict(_attrs(data[20:]))[_GENERATION], "big")


# ---- messages


def _ask(requests: Sequence[bytes]) -> Iterator[Mapping[int, bytes] | None]:
    """The attributes of each element, in the order of the requests; None for one that is not there."""
    with kernel() as opened:
        for start in range(0, len(requests), _AHEAD):
            some = requests[start : start + _AHEAD]
            for number, request in enumerate(some):
                opened.send(_message(_GET, _REQUEST, number, request))
            answers = _answers(opened, len(some))
            yield from (answers[number] for number in range(len(some)))


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
        raise StepError(PART, "the kernel does not answer", end=End.LATE) from None


def _answers(kernel: socket.socket, count: int) -> dict[int, Mapping[int, bytes] | None]:
    found: dict[int, Mapping[int, bytes] | None] = {}
    while len(found) < count:
        data = _received(kernel)
        while len(data) >= 16:
            length, kind, _, number, _ = struct.unpack_from("=IHHII", data)
            if kind == _ERROR:
                _only_absent(struct.unpack_from("=i", data, 16)[0], "get element")
                found[number] = None
            elif kind == _NEW:
                found[number] = _only_element(data[20:length])
            data = data[_aligned(length) :]
    return found


def _only_absent(error: int, line: str) -> None:
    """There may be no such element, set or table; every other error counts."""
    if error and -error != errno.ENOENT:
        raise StepError(PART, os.strerror(-error), line=line)


def _only_element(data: bytes) -> Mapping[int, bytes]:
    listed = dict(_attrs(dict(_attrs(data))[_ELEMENTS]))
    return dict(_attrs(listed[_ELEMENT]))


def _attrs(data: bytes) -> Iterable[tuple[int, bytes]]:
    while len(data) >= 4:
        length, kind = struct.unpack_from("=HH", data)
        yield kind & 0x3FFF, data[4:length]
        data = data[max(4, _aligned(length)) :]


def _attr(kind: int, value: bytes) -> bytes:
    return _padded(struct.pack("=HH", 4 + len(value), kind) + value)


def _nested(kind: int, value: bytes) -> bytes:
    return _attr(kind | _NESTED, value)


def _text(kind: int, value: str) -> bytes:
    return _attr(kind, value.encode() + b"\0")


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)


def _aligned(length: int) -> int:
    return (length + 3) & ~3
