"""The rules of a filter chain, for nftables and iptables alike, and whether they drop a packet of which some fields are
known.

A rule with a match on a field that is not known may match the packet or not. If such a rule accepts, it counts where it
names the packet's source or destination: whoever wrote it meant such packets. If it drops, it does not count.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import cached_property
from ipaddress import IPv4Network, IPv6Network
from typing import NamedTuple, TypeAlias

from svcc.kernel.addresses import Address, Network

#: The item that every value is among.
ANY = "*"


class Span(NamedTuple):
    """All values from the first to the last: numbers, or addresses of one family."""

    first: int | Address
    last: int | Address

    def holds(self, value: object) -> bool:
        """Whether a value is one of them."""
        if not isinstance(value, int | Address):
            return False
        return type(value) is type(self.first) and int(self.first) <= int(value) <= int(self.last)


#: A value, or a range of values, that a condition matches.
Item: TypeAlias = str | int | Address | Network | Span


class Pool:
    """The items of a named set. They are read when they are first asked for; there may be many."""

    def __init__(self, read: Callable[[], Sequence[Item] | None]) -> None:
        self._read = read

    def holds(self, value: Item) -> bool | None:
        """Whether the set holds a value; None where the set cannot be read."""
        if self._items is None:
            return None
        single, spans = self._items
        if value in single or ANY in single:
            return True
        if not isinstance(value, int | Address):
            return False
        at = bisect_right(spans, int(value), key=lambda span: int(span.first))
        return at > 0 and spans[at - 1].holds(value)

    @cached_property
    def _items(self) -> tuple[frozenset[Item], list[Span]] | None:
        """The single items, and the spans in their order. The kernel has none that overlap."""
        if (items := self._read()) is None:
            return None
        spans = [
            Span(one[0], one[-1]) if isinstance(one, IPv4Network | IPv6Network) else one
            for one in items
            if isinstance(one, IPv4Network | IPv6Network | Span)
        ]
        return frozenset(items), sorted(spans, key=lambda span: int(span.first))


@dataclass(frozen=True, slots=True)
class Packet:
    """The known fields of a packet that arrives in a filter chain; None in those that are not known."""

    version: int
    protocol: str
    source: Address | None = None
    source_port: int | None = None
    destination: Address | None = None
    port: int | None = None
    state: str | None = "new"  # of its connection (conntrack): "new" or "established"; None: it is not tracked yet
    status: str = ""  # of its connection: "dnat" where its destination was translated, else ""

    @property
    def direction(self) -> str | None:
        """The direction of the packet in its connection, as conntrack names it."""
        return {"new": "original", "established": "reply"}.get(self.state or "")


@dataclass(frozen=True, slots=True)
class Condition:
    """The condition that a field of the packet has one of some values, or none of them where it is ``negated``."""

    field: str = ""  # the name of a field of Packet; "": the match is on something else, and may hold or not
    among: tuple[Item, ...] | Pool | None = None  # the values; None: they cannot be read
    negated: bool = False

    def holds(self, packet: Packet) -> bool | None:
        """Whether the condition holds for a packet; None where too little is known of the packet or of the
        condition."""
        if not self.field or self.among is None or (value := getattr(packet, self.field)) is None:
            return None
        if isinstance(self.among, Pool):
            found = self.among.holds(value)
            return None if found is None else found != self.negated
        return any(_is(value, item) for item in self.among) != self.negated

    def names(self, packet: Packet) -> bool:
        """Whether the condition names values for the packet's source or destination."""
        fields = ("source", "source_port", "destination", "port")
        return self.field in fields and not self.negated and getattr(packet, self.field) is not None


@dataclass(frozen=True, slots=True)
class Joint:
    """The condition that several fields of the packet together have one of some values (nft's concatenations), or none
    of them where it is ``negated``."""

    among: tuple[tuple[Condition, ...], ...]  # for each element a condition on each field
    negated: bool = False

    def holds(self, packet: Packet) -> bool | None:
        """As of `Condition`."""
        found = [_all(one.holds(packet) for one in element) for element in self.among]
        if True in found:
            return not self.negated
        return None if None in found else self.negated

    def names(self, packet: Packet) -> bool:
        """As of `Condition`."""
        return not self.negated and any(one.names(packet) for element in self.among for one in element)


def _all(found: Iterable[bool | None]) -> bool | None:
    results = [*found]
    return False if False in results else None if None in results else True


def _is(value: Item, item: Item) -> bool:
    if isinstance(item, IPv4Network | IPv6Network):
        return value in item
    return item.holds(value) if isinstance(item, Span) else item in (value, ANY)


class Kind(Enum):
    """What becomes of a packet that a rule matches."""

    ACCEPT = "accept"
    DROP = "drop"
    JUMP = "jump"
    GOTO = "goto"
    RETURN = "return"
    TRANSLATE = "translate"  # it gets another destination, and no later rule of any chain gives it one
    NOTHING = "nothing"  # it goes on to the next rule
    UNTRACK = "untrack"  # likewise, but connection tracking will pass it over, and so will all that translates


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule of a chain, and what becomes of a packet for which all of its conditions hold."""

    conditions: tuple[Condition | Joint, ...]
    kind: Kind
    chain: str = ""  # the chain that a JUMP or GOTO leads to
    place: str = ""  # where the tool would insert a rule before this one: its number (iptables), or its handle (nft)


@dataclass(frozen=True, slots=True)
class Dropped:
    """Where a packet is lost to services, as it is dropped, or translated by somebody else: by the rule at ``place`` of
    a chain, or, where that is "", by the chain's policy."""

    chain: str
    place: str = ""
    untracked: bool = False  # it is not dropped, but kept from connection tracking, so that nothing translates it


#: A function that returns the rules of the chain of a name.
Rules: TypeAlias = Callable[[str], Sequence[Rule]]


def dropped(rules: Rules, chain: str, policy: Kind, packet: Packet) -> Dropped | None:
    """Return where a packet that enters a base chain is dropped, or kept from being tracked; None where it is accepted,
    or may be."""
    found = _walk(rules, chain, packet, sure=True, named=False, depth=0)
    if isinstance(found, Dropped):
        return found
    return Dropped(chain) if found is None and policy is Kind.DROP else None


#: How deep jumps are followed: deeper than the kernel allows (NFT_JUMP_STACK_SIZE, 16).
_DEPTH = 32


def _walk(rules: Rules, chain: str, packet: Packet, *, sure: bool, named: bool, depth: int) -> Dropped | Kind | None:
    """Follow a packet through a chain. Return where it is dropped, or Kind.ACCEPT, or None where it comes back from the
    chain undecided.

    ``sure``: whether the packet certainly gets into this chain. ``named``: whether a rule that led here names the
    packet's source or destination. ``depth``: how many jumps led here.
    """
    for rule in rules(chain):
        holds = [condition.holds(packet) for condition in rule.conditions]
        if False in holds:
            continue
        certain = sure and None not in holds
        meant = named or any(condition.names(packet) for condition in rule.conditions)
        if rule.kind is Kind.ACCEPT and (certain or meant):
            return Kind.ACCEPT
        if rule.kind in (Kind.DROP, Kind.TRANSLATE) and certain:
            return Dropped(chain, rule.place)
        if rule.kind is Kind.UNTRACK and certain and packet.state is None:
            return Dropped(chain, rule.place, untracked=True)
        if rule.kind in (Kind.JUMP, Kind.GOTO) and depth < _DEPTH:
            found = _walk(rules, rule.chain, packet, sure=certain, named=meant, depth=depth + 1)
            if found is not None:
                return found
        if rule.kind in (Kind.RETURN, Kind.GOTO):
            if None not in holds:
                return None
            sure = False  # the packet may have left the chain here, and never meet the rules below
    return None
