"""What a rule does: the statements of libnftables-json(5) that svcc's rules are made of, each with ``json()``.

What somebody else put into a rule is :class:`Foreign`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from svcc.kernel.json_values import Json
from svcc.kernel.nft.expressions import Expression, Named


class Statement(Protocol):
    """A part of a rule: what it asks, or does."""

    def json(self) -> Json:
        """The statement as libnftables-json(5) has it."""


#: The statements of a rule. A comment that somebody gave it stands at the end.
Rule: TypeAlias = tuple[Statement, ...]


@dataclass(frozen=True, slots=True)
class Match:
    """Goes on with the rule where the comparison holds; ``op`` "in" is "has one of these flags"."""

    left: Expression
    right: Expression
    op: str = "=="

    def json(self) -> Json:
        return {"match": {"op": self.op, "left": self.left.json(), "right": self.right.json()}}


@dataclass(frozen=True, slots=True)
class Goto:
    """On to another chain, for good: its end is the end of this chain too."""

    chain: str

    def json(self) -> Json:
        return {"goto": {"target": self.chain}}


@dataclass(frozen=True, slots=True)
class Jump:
    """On to another chain, and back here at its end."""

    chain: str

    def json(self) -> Json:
        return {"jump": {"target": self.chain}}


@dataclass(frozen=True, slots=True)
class Drop:
    """The packet goes no further, and nobody is told."""

    def json(self) -> Json:
        return {"drop": None}


@dataclass(frozen=True, slots=True)
class VerdictMap:
    """The verdict that a map has for a key; goes on where it has none."""

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
    """The packet mark becomes ``value``."""

    value: Expression

    def json(self) -> Json:
        return {"mangle": {"key": {"meta": {"key": "mark"}}, "value": self.value.json()}}


@dataclass(frozen=True, slots=True)
class Remember:
    """Puts ``key`` into a set, for ``seconds`` from now. A full set ends the rule without effect."""

    key: Expression
    set: Named
    seconds: int

    def json(self) -> Json:
        element = {"elem": {"val": self.key.json(), "timeout": self.seconds}}
        return {"set": {"op": "update", "elem": element, "set": self.set.json()}}


@dataclass(frozen=True, slots=True)
class Dnat:
    """To another address, and to another port where one is given (then the rule must have matched the protocol)."""

    address: Expression
    port: Expression | None

    def json(self) -> Json:
        if self.port is None:
            return {"dnat": {"addr": self.address.json()}}
        return {"dnat": {"addr": self.address.json(), "port": self.port.json()}}


@dataclass(frozen=True, slots=True)
class Masquerade:
    """From the address of the device it leaves by. Random ports: racing connections would pick the same one."""

    def json(self) -> Json:
        return {"masquerade": {"flags": "fully-random"}}


@dataclass(frozen=True, slots=True)
class Snat:
    """From one of the addresses from ``first`` to ``last``, the same for the same client and destination. Random ports:
    see :class:`Masquerade`."""

    first: str
    last: str

    def json(self) -> Json:
        address: Json = self.first if self.first == self.last else {"range": [self.first, self.last]}
        return {"snat": {"addr": address, "flags": "fully-random"}}


@dataclass(frozen=True, slots=True)
class Reject:
    """Drops with an answer: ``kind`` "tcp reset" (``code`` None), or "icmp" or "icmpv6" with a code."""

    kind: str
    code: str | None = None

    def json(self) -> Json:
        return {"reject": {"type": self.kind} | ({} if self.code is None else {"expr": self.code})}


@dataclass(frozen=True, slots=True)
class Comment:
    """The comment of a rule. Rules of svcc have none."""

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
    """A rule's fields in libnftables-json(5), besides its place."""
    expressions: Json = [made.json() for made in rule if not isinstance(made, Comment)]
    comments = [made.text for made in rule if isinstance(made, Comment)]
    return {"expr": expressions, "comment": comments[0]} if comments else {"expr": expressions}
