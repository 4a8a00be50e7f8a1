"""What a rule reads and compares: the expressions of libnftables-json(5) that svcc's rules are made of.

Each has ``json()``, its form in the JSON syntax. Only what nft 1.0.6 reads correctly is here: no ``typeof``, no
concatenation that holds a ``numgen``, no concatenated map data. One expression has one form: :func:`numbers` and
:func:`network` give a :class:`Word` for a range of one number and a network of one address.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network
from typing import Protocol

from svcc.kernel.json_values import Json


class Expression(Protocol):
    """Anything that stands for a value."""

    def __hash__(self) -> int: ...

    def json(self) -> Json:
        """The expression as libnftables-json(5) has it."""


@dataclass(frozen=True, slots=True)
class Word:
    """A number, or a word that nft knows where it stands ("tcp", "new", "local")."""

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
    """A network, or its only address."""
    return Word(str(of.network_address)) if of.prefixlen == of.max_prefixlen else Network(of)


@dataclass(frozen=True, slots=True)
class Range:
    """The numbers from ``first`` to ``last``, more than one; see :func:`numbers`."""

    first: int
    last: int

    def json(self) -> Json:
        return {"range": [self.first, self.last]}


def numbers(first: int, last: int) -> Range | Word:
    """The numbers from ``first`` to ``last``, or the only one."""
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
    """What the packet's connection was opened to: "ip daddr", "ip6 daddr", or "proto-dst", the port, which needs a
    match of the protocol before it."""

    key: str

    def json(self) -> Json:
        return {"ct": {"key": self.key, "dir": "original"}}


@dataclass(frozen=True, slots=True)
class DestinationType:
    """What the routing table says of the destination ("local", "unicast", "broadcast", …)."""

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
    """The bits of ``left`` that ``right`` has, too."""

    left: Expression
    right: Expression

    def json(self) -> Json:
        return {"&": [self.left.json(), self.right.json()]}


@dataclass(frozen=True, slots=True)
class Or:
    """The bits that either has."""

    left: Expression
    right: Expression

    def json(self) -> Json:
        return {"|": [self.left.json(), self.right.json()]}


@dataclass(frozen=True, slots=True)
class Numgen:
    """A number below ``modulus``: at random, or ("inc") one more than the rule's last."""

    mode: str
    modulus: int

    def json(self) -> Json:
        return {"numgen": {"mode": self.mode, "mod": self.modulus}}


@dataclass(frozen=True, slots=True)
class Jhash:
    """A number below ``modulus``, always the same for the same value. Without a seed the kernel takes a random one."""

    value: Expression
    modulus: int
    seed: int

    def json(self) -> Json:
        return {"jhash": {"mod": self.modulus, "seed": self.seed, "expr": self.value.json()}}


@dataclass(frozen=True, slots=True)
class Lookup:
    """What a named map has for a key. A key that is not there ends the rule without effect."""

    key: Expression
    map: Named

    def json(self) -> Json:
        return {"map": {"key": self.key.json(), "data": self.map.json()}}
