"""The statements of libnftables-json(5) that svcc's rules are made of: what a rule matches and does.

A statement of another kind, which somebody else put into a rule, is :class:`Foreign`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from svcc.kernel.json_values import Json
from svcc.kernel.nft.expressions import Expression, Named


class Statement(Protocol):
    """A part of a rule, which matches a packet or does something with it."""

    def json(self) -> Json:
        """Return the statement in the form of libnftables-json(5)."""


#: The statements of a rule. A comment that somebody gave the rule is at the end.
Rule: TypeAlias = tuple[Statement, ...]


@dataclass(frozen=True, slots=True)
class Match:
    """A comparison. The rule goes on only where it holds; ``op`` "in" means "has one of these flags"."""

    left: Expression
    right: Expression
    op: str = "=="

    def json(self) -> Json:
        return {"match": {"op": self.op, "left": self.left.json(), "right": self.right.json()}}


@dataclass(frozen=True, slots=True)
class Goto:
    """The packet goes to another chain, and does not come back to this one at its end."""

    chain: str

    def json(self) -> Json:
        return {"goto": {"target": self.chain}}


@dataclass(frozen=True, slots=True)
class Jump:
    """The packet goes to another chain, and comes back to the next rule at its end."""

    chain: str

    def json(self) -> Json:
        return {"jump": {"target": self.chain}}


@dataclass(frozen=True, slots=True)
class Drop:
    """The packet is dropped, and its sender is not told."""

    def json(self) -> Json:
        return {"drop": None}


@dataclass(frozen=True, slots=True)
class VerdictMap:
    """The packet gets the verdict that a map has for a key. Where the map has none, it goes on to the next rule."""

    key: Expression
    map: Named | tuple[tuple[Expression, Statement], ...]

    def json(self) -> Json:
        if isinstance(self.map, Named):
            data: Json = self.map.json()
        else:
            data = {"set": [[value.json(), verdict.json()] for value, verdict in self.map]}
        return {"vmap": {"key": self.key.json(), "data": data}}


@dataclass(frozen=True, slots=True)
class SetMark:
    """The packet's mark is set to ``value``."""

    value: Expression

    def json(self) -> Json:
        return {"mangle": {"key": {"meta": {"key": "mark"}}, "value": self.value.json()}}


@dataclass(frozen=True, slots=True)
class Remember:
    """``key`` is put into a set, for ``seconds`` from now. Where the set is full, the rule ends here."""

    key: Expression
    set: Named
    seconds: int

    def json(self) -> Json:
        element = {"elem": {"val": self.key.json(), "timeout": self.seconds}}
        return {"set": {"op": "update", "elem": element, "set": self.set.json()}}


@dataclass(frozen=True, slots=True)
class Dnat:
    """The packet's destination becomes ``address``, and ``port`` where one is given. Then the rule must have matched
    the protocol before."""

    address: Expression
    port: Expression | None

    def json(self) -> Json:
        if self.port is None:
            return {"dnat": {"addr": self.address.json()}}
        return {"dnat": {"addr": self.address.json(), "port": self.port.json()}}


@dataclass(frozen=True, slots=True)
class Masquerade:
    """The packet's source becomes the address of the device that it leaves by. Source ports are random, as connections
    that begin at the same moment would get the same port otherwise."""

    def json(self) -> Json:
        return {"masquerade": {"flags": "fully-random"}}


@dataclass(frozen=True, slots=True)
class Snat:
    """The packet's source becomes one of the addresses from ``first`` to ``last``, the same for the same client and
    destination. Source ports are random: see :class:`Masquerade`."""

    first: str
    last: str

    def json(self) -> Json:
        address: Json = self.first if self.first == self.last else {"range": [self.first, self.last]}
        return {"snat": {"addr": address, "flags": "fully-random"}}


@dataclass(frozen=True, slots=True)
class Reject:
    """The packet is dropped, and its sender is told. ``kind``: "tcp reset", without a ``code``; or "icmp" or "icmpv6",
    with one."""

    kind: str
    code: str | None = None

    def json(self) -> Json:
        return {"reject": {"type": self.kind} | ({} if self.code is None else {"expr": self.code})}


@dataclass(frozen=True, slots=True)
class Comment:
    """The comment of a rule. svcc's own rules have none."""

    text: str

    def json(self) -> Json:
        return {"comment": self.text}


@dataclass(frozen=True, slots=True)
class Foreign:
    """A statement that svcc does not make."""

    text: str  # JSON, with sorted keys

    def json(self) -> Json:
        made: Json = json.loads(self.text)
        return made


def fields(rule: Rule) -> dict[str, Json]:
    """Return a rule's fields in libnftables-json(5), besides its table and chain."""
    expressions: Json = [made.json() for made in rule if not isinstance(made, Comment)]
    comments = [made.text for made in rule if isinstance(made, Comment)]
    return {"expr": expressions, "comment": comments[0]} if comments else {"expr": expressions}
