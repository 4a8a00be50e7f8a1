"""The expressions of libnftables-json(5) that svcc's rules are made of: the values that a rule reads and compares.

``json()`` gives an expression in the JSON syntax. Only what nft 1.0.6 reads correctly is here: no ``typeof``, no
concatenation that holds a ``numgen``, no concatenated map data. Each value has a single form: :func:`numbers` and
:func:`network` give a :class:`Word` for a range of one number and a network of one address.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network
from typing import Protocol

from svcc.kernel.json_values import Json


class Expression(Protocol):
    """An expression, which stands for a value."""

    def __hash__(self) -> int: ...

    def json(self) -> Json:
        """Return the expression in the form of libnftables-json(5)."""


@dataclass(frozen=True, slots=True)
class Word:
    """A number, or a word that nft knows in its place ("tcp", "new", "local")."""

    value: str | int

    def json(self) -> Json:
        return self.value


@dataclass(frozen=True, slots=True)
class Network:
    """A network of several addresses; see :func:`network`."""

    network: IPv4Network | IPv6Network

    def json(self) -> Json:
        return {"prefix": {"addr": str(self.network.network_address), "len": self.network.prefixlen}}


def network(of: IPv4Network | IPv6Network) -> Network | Word:
    """Return the expression for a network; for a network of one address, that address."""
    return Word(str(of.network_address)) if of.prefixlen == of.max_prefixlen else Network(of)


@dataclass(frozen=True, slots=True)
class Range:
    """The numbers from ``first`` to ``last``, more than one; see :func:`numbers`."""

    first: int
    last: int

    def json(self) -> Json:
        return {"range": [self.first, self.last]}


def numbers(first: int, last: int) -> Range | Word:
    """Return the expression for the numbers from ``first`` to ``last``; where these are the same, that number."""
    return Word(first) if first == last else Range(first, last)


@dataclass(frozen=True, slots=True)
class Named:
    """A named set or map."""

    name: str

    def json(self) -> Json:
        return f"@{self.name}"


@dataclass(frozen=True, slots=True)
class OneOf:
    """An anonymous set."""

    values: tuple[Expression, ...]

    def json(self) -> Json:
        return {"set": [value.json() for value in self.values]}


@dataclass(frozen=True, slots=True)
class Payload:
    """A field of a header: ``protocol`` is "ip", "ip6", "tcp", …, or "th" for any transport header."""

    protocol: str
    field: str

    def json(self) -> Json:
        return {"payload": {"protocol": self.protocol, "field": self.field}}


@dataclass(frozen=True, slots=True)
class Meta:
    """Metadata of the packet ("l4proto", "mark")."""

    key: str

    def json(self) -> Json:
        return {"meta": {"key": self.key}}


@dataclass(frozen=True, slots=True)
class Conntrack:
    """A property of the packet's connection ("state", "status")."""

    key: str

    def json(self) -> Json:
        return {"ct": {"key": self.key}}


@dataclass(frozen=True, slots=True)
class Original:
    """The original destination of the packet's connection, before any translation."""

    key: str  # "ip daddr", "ip6 daddr", or "proto-dst" for the port, which needs a match of the protocol before it

    def json(self) -> Json:
        return {"ct": {"key": self.key, "dir": "original"}}


@dataclass(frozen=True, slots=True)
class DestinationType:
    """The type that the routing table has for the packet's destination ("local", "unicast", "broadcast", …)."""

    def json(self) -> Json:
        return {"fib": {"result": "type", "flags": ["daddr"]}}


@dataclass(frozen=True, slots=True)
class Concat:
    """A key of several parts."""

    parts: tuple[Expression, ...]

    def json(self) -> Json:
        return {"concat": [part.json() for part in self.parts]}


@dataclass(frozen=True, slots=True)
class And:
    """The bits that both ``left`` and ``right`` have."""

    left: Expression
    right: Expression

    def json(self) -> Json:
        return {"&": [self.left.json(), self.right.json()]}


@dataclass(frozen=True, slots=True)
class Or:
    """The bits that ``left``, ``right`` or both have."""

    left: Expression
    right: Expression

    def json(self) -> Json:
        return {"|": [self.left.json(), self.right.json()]}


@dataclass(frozen=True, slots=True)
class Numgen:
    """A number below ``modulus``. ``mode``: "random", or "inc" for one more than the rule's last number."""

    mode: str
    modulus: int

    def json(self) -> Json:
        return {"numgen": {"mode": self.mode, "mod": self.modulus}}


@dataclass(frozen=True, slots=True)
class Jhash:
    """A number below ``modulus``, a hash of a value. The ``seed`` is always given, as the kernel would take a random
    one."""

    value: Expression
    modulus: int
    seed: int

    def json(self) -> Json:
        return {"jhash": {"mod": self.modulus, "seed": self.seed, "expr": self.value.json()}}


@dataclass(frozen=True, slots=True)
class Lookup:
    """The value that a named map has for a key. A rule has no effect where the map lacks the key."""

    key: Expression
    map: Named

    def json(self) -> Json:
        return {"map": {"key": self.key.json(), "data": self.map.json()}}
