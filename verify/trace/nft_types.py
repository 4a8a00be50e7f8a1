"""The types of nft's values, and how JSON writes values of each (libnftables-json(5), nft(8) "DATA TYPES").

A value is a number, whatever its type; a concatenation is a tuple of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address
from typing import TypeAlias

from svcc.verify.trace import values

Value: TypeAlias = int | tuple[int, ...]

#: Names of flags and constants.
CT_STATES = {"invalid": 1, "established": 2, "related": 4, "new": 8, "untracked": 64}
CT_STATUSES = {"expected": 1, "seen-reply": 2, "assured": 4, "confirmed": 8, "snat": 16, "dnat": 32, "dying": 512}
TCP_FLAGS = {"fin": 1, "syn": 2, "rst": 4, "psh": 8, "ack": 16, "urg": 32, "ecn": 64, "cwr": 128}
_DIRECTIONS = {"original": 0, "reply": 1}
_ADDRESS_TYPES = {"unicast": 1, "local": 2, "broadcast": 3, "multicast": 5}
ADDRESS_TYPES = _ADDRESS_TYPES
_FAMILIES = {"ipv4": 2, "ipv6": 10}


@dataclass(frozen=True, slots=True)
class Type:
    """A type of nft, with the form of its values. Each value is a number of some bits."""

    name: str
    bits: int
    parse: Callable[[object], int]  # Errors: ValueError.
    show: Callable[[int], str] = str
    flags: bool = False  # a set of bits

    def __str__(self) -> str:
        return self.name


def _number(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, (int, str)):
        raise ValueError(f"{value!r} is no number")
    return value if isinstance(value, int) else values.number(value)


def _below(limit: int) -> Callable[[object], int]:
    def parse(value: object) -> int:
        number = _number(value)
        if not 0 <= number < limit:
            raise ValueError(f"{number} is not below {limit}")
        return number

    return parse


def _named(names: Mapping[str, int]) -> Callable[[object], int]:
    def parse(value: object) -> int:
        return names[value] if isinstance(value, str) and value in names else _number(value)

    return parse


def _name_of(names: Mapping[str, int]) -> Callable[[int], str]:
    back = {number: name for name, number in names.items()}
    return lambda number: back.get(number, str(number))


def _address(version: int) -> Callable[[object], int]:
    def parse(value: object) -> int:
        if not isinstance(value, str):
            raise ValueError(f"{value!r} is no address")
        address = values.address(value)
        if address.version != version:
            raise ValueError(f"{value} is no IPv{version} address")
        return int(address)

    return parse


def _show_address(version: int) -> Callable[[int], str]:
    @lru_cache(values.KNOWN)
    def show(number: int) -> str:
        return str(IPv4Address(number) if version == 4 else IPv6Address(number))

    return show


def _flags_of(names: Mapping[str, int]) -> Callable[[int], str]:
    return lambda number: ",".join(name for name, bit in names.items() if bit & number) or str(number)


_PROTOCOL_NAMES = {name: number for name, number in values.PROTOCOLS.items() if name != "icmpv6"}

TYPES: Mapping[str, Type] = {
    type.name: type
    for type in (
        Type("ipv4_addr", 32, _address(4), _show_address(4)),
        Type("ipv6_addr", 128, _address(6), _show_address(6)),
        Type("inet_proto", 8, _named(values.PROTOCOLS), _name_of(_PROTOCOL_NAMES)),
        Type("inet_service", 16, _below(1 << 16)),
        Type("mark", 32, _below(1 << 32), hex),
        Type("integer", 32, _below(1 << 32)),
        Type("nf_proto", 8, _named(_FAMILIES), _name_of(_FAMILIES)),
        Type("fib_addrtype", 32, _named(_ADDRESS_TYPES), _name_of(_ADDRESS_TYPES)),
        Type("ct_state", 32, _named(CT_STATES), _flags_of(CT_STATES), flags=True),
        Type("ct_status", 32, _named(CT_STATUSES), _flags_of(CT_STATUSES), flags=True),
        Type("tcp_flag", 8, _named(TCP_FLAGS), _flags_of(TCP_FLAGS), flags=True),
        Type("ct_dir", 8, _named(_DIRECTIONS), _name_of(_DIRECTIONS)),
    )
}
IPV4, IPV6, PROTOCOL, PORT = (TYPES[n] for n in ("ipv4_addr", "ipv6_addr", "inet_proto", "inet_service"))
MARK, INTEGER, FAMILY = (TYPES[n] for n in ("mark", "integer", "nf_proto"))
ADDRESS_TYPE, CT_STATE, CT_STATUS = (TYPES[n] for n in ("fib_addrtype", "ct_state", "ct_status"))
CT_DIRECTION, TCP_FLAG = TYPES["ct_dir"], TYPES["tcp_flag"]
