"""Expressions of nft rules: what they read from a packet (libnftables-json(5), "EXPRESSIONS")."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

from svcc.compiler import ir
from svcc.verify.trace.faults import LoadError, Place, UnknownRule
from svcc.verify.trace.flow import Draw, Flow
from svcc.verify.trace.host import Host
from svcc.verify.trace.nft_sets import Elements, NamedSet
from svcc.verify.trace.nft_types import (
    ADDRESS_TYPE,
    ADDRESS_TYPES,
    CT_DIRECTION,
    CT_STATE,
    CT_STATES,
    CT_STATUS,
    CT_STATUSES,
    FAMILY,
    INTEGER,
    IPV4,
    IPV6,
    MARK,
    PORT,
    PROTOCOL,
    TCP_FLAG,
    TCP_FLAGS,
    Type,
    Value,
)

#: Numbers that are drawn one by one where nothing says which ones lead to the same.
_DRAWN = 4096


class NoMatch(Exception):
    """An expression has no value for the packet: the rule ends (NFT_BREAK)."""


class Expression(ABC):
    """Something that has a value for each packet."""

    __slots__ = ()

    @property
    @abstractmethod
    def types(self) -> tuple[Type, ...]:
        """Of a concatenation several."""

    @abstractmethod
    def value(self, flow: Flow) -> Value:
        """Errors: NoMatch, UnknownRule."""

    def drawn(self, flow: Flow, cuts: set[int]) -> Value:
        """The value, where only the numbers in ``cuts`` part what it leads to."""
        return self.value(flow)

    def passes(self, flow: Flow, test: Callable[[Value], bool], cuts: set[int]) -> bool:
        """Whether the value passes a test that only the numbers in ``cuts`` part."""
        return test(self.drawn(flow, cuts))

    @abstractmethod
    def __str__(self) -> str:
        """As ``nft list`` prints it."""


@dataclass(frozen=True, slots=True)
class Constant(Expression):
    type: Type
    number: int

    @property
    def types(self) -> tuple[Type, ...]:
        return (self.type,)

    def value(self, flow: Flow) -> Value:
        return self.number

    def __str__(self) -> str:
        return self.type.show(self.number)


@dataclass(frozen=True, slots=True)
class Selector(Expression):
    """A field of the packet or of its connection."""

    text: str
    type: Type
    read: Callable[[Flow], int]

    @property
    def types(self) -> tuple[Type, ...]:
        return (self.type,)

    def value(self, flow: Flow) -> Value:
        return self.read(flow)

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True)
class Concat(Expression):
    parts: tuple[Expression, ...]

    @property
    def types(self) -> tuple[Type, ...]:
        return tuple(type for part in self.parts for type in part.types)

    def value(self, flow: Flow) -> Value:
        found: list[int] = []
        for part in self.parts:
            value = part.value(flow)
            found += value if isinstance(value, tuple) else (value,)
        return tuple(found)

    def __str__(self) -> str:
        return " . ".join(map(str, self.parts))


@dataclass(frozen=True, slots=True)
class Binary(Expression):
    """Two numbers, bit by bit."""

    operator: str
    left: Expression
    right: Expression

    @property
    def types(self) -> tuple[Type, ...]:
        return self.left.types

    def value(self, flow: Flow) -> Value:
        left, right = self.left.value(flow), self.right.value(flow)
        assert isinstance(left, int)
        assert isinstance(right, int)
        return OPERATORS[self.operator](left, right)

    def __str__(self) -> str:
        return f"{self.left} {self.operator} {self.right}"


OPERATORS: Mapping[str, Callable[[int, int], int]] = {
    "&": lambda a, b: a & b,
    "|": lambda a, b: a | b,
    "^": lambda a, b: a ^ b,
    "<<": lambda a, b: a << b & 0xFFFFFFFF,
    ">>": lambda a, b: a >> b,
}


@dataclass(frozen=True, slots=True)
class Drawn(Expression):
    """``numgen`` and ``jhash``: a number from ``offset`` on, each of ``modulus`` as likely as any other."""

    place: Place
    text: str
    modulus: int
    offset: int
    how: Draw
    hashed: Expression | None = None  # None: a fresh number
    seed: int | None = None  # None: the kernel takes one for each rule

    @property
    def types(self) -> tuple[Type, ...]:
        return (INTEGER,)

    def value(self, flow: Flow) -> Value:
        if self.modulus > _DRAWN:
            raise UnknownRule(self.place, f"{self.text} with more than {_DRAWN} numbers is only followed into a map")
        return self.drawn(flow, set(range(self.offset, self.offset + self.modulus)))

    def drawn(self, flow: Flow, cuts: set[int]) -> Value:
        bounds = self._bounds(cuts)
        flow.draws.add((self.how, self.place))
        key = None
        if self.hashed is not None:
            key = (self.place if self.seed is None else self.seed, str(self.hashed), self.hashed.value(flow))
        segment = flow.chance.segment([Fraction(bound, self.modulus) for bound in bounds], key)
        return bounds[segment] + self.offset

    def passes(self, flow: Flow, test: Callable[[Value], bool], cuts: set[int]) -> bool:
        """A fresh number passes or does not, wherever it is: a cascade of such tests has a way for each test, not for
        each part of the numbers between them. A hash is one number for all tests, so it matters where that is."""
        if self.hashed is not None:
            return test(self.drawn(flow, cuts))
        flow.draws.add((self.how, self.place))
        count = sum(end - begin for begin, end in pairwise(self._bounds(cuts)) if test(begin + self.offset))
        return flow.chance.happens(Fraction(count, self.modulus))

    def _bounds(self, cuts: set[int]) -> list[int]:
        """Where the numbers part, without the offset, from 0 to the modulus."""
        inner = sorted(cut - self.offset for cut in cuts if 0 < cut - self.offset < self.modulus)
        return [0, *inner, self.modulus]

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True)
class Lookup(Expression):
    """What a map has for a key."""

    key: Expression
    elements: Elements[int] | NamedSet[int]
    type: Type
    text: str

    @property
    def types(self) -> tuple[Type, ...]:
        return (self.type,)

    def value(self, flow: Flow) -> Value:
        if isinstance(self.elements, NamedSet):
            found = self.elements.find(flow, self.key.value(flow))
        else:
            found = self.elements.find(self.key.drawn(flow, self.elements.cuts()))
        if found is None:
            raise NoMatch
        return found

    def __str__(self) -> str:
        return f"{self.key} map {self.text}"


# ---- the fields that there are


def payload(place: Place, protocol: str, name: str) -> Expression:
    """A field of a header. Errors: UnknownRule."""
    text = f"{protocol} {name}"
    if (protocol, name) in _ADDRESSES:
        version, source = _ADDRESSES[protocol, name]
        return Selector(text, IPV4 if version == 4 else IPV6, lambda flow: _address(flow, place, version, source))
    if (protocol, name) in (("ip", "protocol"), ("ip6", "nexthdr")):
        version = 4 if protocol == "ip" else 6
        return Selector(text, PROTOCOL, lambda flow: _of_version(flow, version, flow.protocol))
    if name == "dport" and protocol in _TRANSPORTS:
        number = _TRANSPORTS[protocol]
        return Selector(text, PORT, lambda flow: _of_protocol(flow, number, flow.port))
    if (protocol, name) == ("tcp", "flags"):
        return Selector(text, TCP_FLAG, lambda flow: _of_protocol(flow, _TRANSPORTS["tcp"], _flags(flow)))
    if (protocol, name) == ("tcp", "sport"):
        return Selector(text, PORT, lambda flow: _source_port(flow, place))
    if (protocol, name) == ("th", "sport"):
        return Selector(text, PORT, lambda _: _unknown_port(place))
    raise UnknownRule(place, f"the field {text} is not known here")


def _unknown_port(place: Place) -> int:
    raise UnknownRule(place, "asks for the client's port, which a trace does not have")


_ADDRESSES = {
    ("ip", "saddr"): (4, True),
    ("ip", "daddr"): (4, False),
    ("ip6", "saddr"): (6, True),
    ("ip6", "daddr"): (6, False),
}
#: Protocol numbers; 0: any.
_TRANSPORTS = {"th": 0, "tcp": 6, "udp": 17, "sctp": 132}


def _of_version(flow: Flow, version: int, value: int) -> int:
    if flow.version != version:
        raise NoMatch
    return value


def _address(flow: Flow, place: Place, version: int, source: bool) -> int:
    address: ir.Address = flow.sender(place) if source else flow.destination
    return _of_version(flow, version, int(address))


def _of_protocol(flow: Flow, protocol: int, value: int) -> int:
    if protocol not in (0, flow.protocol):
        raise NoMatch
    return value


def _flags(flow: Flow) -> int:
    """Of TCP: a connection begins with a SYN."""
    names = {"SYN"} if flow.segment is None else flow.segment.flags
    return sum(TCP_FLAGS[name.lower()] for name in names)


def _source_port(flow: Flow, place: Place) -> int:
    """A client's is known for a segment alone, of which it is said."""
    _of_protocol(flow, _TRANSPORTS["tcp"], 0)
    if flow.segment is None:
        raise UnknownRule(place, "the port that a packet comes from is not known here")
    return flow.segment.source_port


def meta(place: Place, key: str) -> Expression:
    """Errors: UnknownRule."""
    match key:
        case "l4proto":
            return Selector("meta l4proto", PROTOCOL, lambda flow: flow.protocol)
        case "mark":
            return Selector("meta mark", MARK, lambda flow: flow.mark)
        case "nfproto":
            return Selector("meta nfproto", FAMILY, lambda flow: 2 if flow.version == 4 else 10)
    raise UnknownRule(place, f"meta {key} is not known here")


def ct(place: Place, key: str, direction: str | None) -> Expression:
    """A property of the connection. Errors: UnknownRule."""
    match direction, key:
        case None, "state":
            return Selector("ct state", CT_STATE, _ct_state)
        case None, "status":
            return Selector("ct status", CT_STATUS, _ct_status)
        case None, "direction":
            return Selector("ct direction", CT_DIRECTION, lambda flow: _tracked(flow, 0))
        case "original", "proto-dst":
            return Selector("ct original proto-dst", PORT, lambda flow: _tracked(flow, flow.packet.port))
        case "original", ("ip daddr" | "ip6 daddr" | "ip saddr" | "ip6 saddr") as field:
            version = 4 if field.startswith("ip ") else 6
            type = IPV4 if version == 4 else IPV6

            def read(flow: Flow) -> int:
                address = flow.packet.source if field.endswith("saddr") else flow.packet.destination
                return _of_version(flow, version, _tracked(flow, int(address)))

            return Selector(f"ct original {field}", type, read)
    raise UnknownRule(place, f"ct {direction or ''} {key} is not known here")


def _tracked(flow: Flow, value: int) -> int:
    if not flow.tracked:
        raise NoMatch
    return value


def _ct_state(flow: Flow) -> int:
    if not flow.tracked:
        return CT_STATES["invalid"]
    return CT_STATES["new" if flow.binding is None else "established"]


def _ct_status(flow: Flow) -> int:
    translated = CT_STATUSES["dnat"] if flow.translated else 0
    return _tracked(flow, translated | (CT_STATUSES["snat"] if flow.masqueraded else 0))


def fib(place: Place, host: Host, result: str, flags: object) -> Expression:
    """What the routing table says of an address. Errors: UnknownRule."""
    if result != "type" or flags not in (["daddr"], ["saddr"], "daddr", "saddr"):
        raise UnknownRule(place, f"fib {flags} {result} is not known here")
    source = flags in (["saddr"], "saddr")

    def read(flow: Flow) -> int:
        return ADDRESS_TYPES[host.address_type(flow.sender(place) if source else flow.destination)]

    return Selector(f"fib {'saddr' if source else 'daddr'} type", ADDRESS_TYPE, read)


def check_types(place: Place, key: Expression, types: tuple[Type, ...], what: str) -> None:
    """Errors: LoadError, where a key is not of a set's type."""
    if key.types != types:
        have, want = (" . ".join(map(str, t)) for t in (key.types, types))
        raise LoadError(place, f"{key} is {have}, and {what} is of {want}")
