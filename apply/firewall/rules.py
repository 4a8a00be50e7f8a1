"""Rules of a filter chain, of whatever tool, and whether they drop a packet of which something is known.

A rule that asks what is not known of the packet may match it or not. Where it accepts, it counts if it names where the
packet goes or comes from: who wrote it had that in mind. Where it drops, it does not count.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from ipaddress import IPv4Network, IPv6Network
from typing import TypeAlias

from svcc.kernel.addresses import Address, Network

#: A value, or a range of them, that a condition asks for.
Item: TypeAlias = str | int | Address | Network | range


@dataclass(frozen=True, slots=True)
class Packet:
    """What is known of a packet that arrives in a filter chain. None: nothing."""

    version: int
    protocol: str
    source: Address | None = None
    source_port: int | None = None
    destination: Address | None = None
    port: int | None = None
    state: str = "new"  # to connection tracking; or "established"
    status: str = ""  # of its connection: "dnat", where its destination was translated


@dataclass(frozen=True, slots=True)
class Condition:
    """The packet's field is one of some values (or none of them). Without a field, nobody knows."""

    field: str = ""  # of Packet
    among: tuple[Item, ...] | None = None  # None: what they are cannot be read
    negated: bool = False

    def holds(self, packet: Packet) -> bool | None:
        """Whether a packet fits; None where that is not known, of the packet or of the condition."""
        if not self.field or self.among is None or (value := getattr(packet, self.field)) is None:
            return None
        return any(_is(value, item) for item in self.among) != self.negated

    def names(self, packet: Packet) -> bool:
        """Whether it is about where the packet goes to or comes from."""
        fields = ("source", "source_port", "destination", "port")
        return self.field in fields and not self.negated and getattr(packet, self.field) is not None


def _is(value: Item, item: Item) -> bool:
    if isinstance(item, IPv4Network | IPv6Network | range):
        return value in item
    return value == item


class Kind(Enum):
    """What becomes of a packet that a rule matches."""

    ACCEPT = "accept"
    DROP = "drop"
    JUMP = "jump"
    GOTO = "goto"
    RETURN = "return"
    NOTHING = "nothing"  # the next rule is asked


@dataclass(frozen=True, slots=True)
class Rule:
    """``place``: where a rule that comes before it would be inserted, in the tool's words: a number, or a handle."""

    conditions: tuple[Condition, ...]
    kind: Kind
    chain: str = ""  # that it leads to
    place: str = ""


@dataclass(frozen=True, slots=True)
class Dropped:
    """Where a packet ends: at a rule of a chain; without ``place``, at the end of it, by its policy."""

    chain: str
    place: str = ""


#: A chain's rules by its name, read when they are asked for.
Rules: TypeAlias = Callable[[str], Sequence[Rule]]


def dropped(rules: Rules, chain: str, policy: Kind, packet: Packet) -> Dropped | None:
    """Where a packet is dropped that enters a base chain; None: it is accepted, or may be."""
    found = _walk(rules, chain, packet, sure=True, named=False, depth=0)
    if isinstance(found, Dropped):
        return found
    return Dropped(chain) if found is None and policy is Kind.DROP else None


#: Chains that lead to each other, at most: more than the kernel takes (NFT_JUMP_STACK_SIZE, 16).
_DEPTH = 32


def _walk(rules: Rules, chain: str, packet: Packet, *, sure: bool, named: bool, depth: int) -> Dropped | Kind | None:
    """How a chain ends: dropped, Kind.ACCEPT, or None, if the packet comes back from it."""
    for rule in rules(chain):
        holds = [condition.holds(packet) for condition in rule.conditions]
        if False in holds:
            continue
        certain = sure and None not in holds
        meant = named or any(condition.names(packet) for condition in rule.conditions)
        if rule.kind is Kind.ACCEPT and (certain or meant):
            return Kind.ACCEPT
        if rule.kind is Kind.DROP and certain:
            return Dropped(chain, rule.place)
        if rule.kind in (Kind.JUMP, Kind.GOTO) and depth < _DEPTH:
            found = _walk(rules, rule.chain, packet, sure=certain, named=meant, depth=depth + 1)
            if found is not None:
                return found
        if rule.kind in (Kind.RETURN, Kind.GOTO):
            if None not in holds:
                return None
            sure = False  # nobody knows whether what follows is asked
    return None
