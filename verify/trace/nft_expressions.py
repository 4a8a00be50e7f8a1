"""Expressions of nft rules: what they read from a packet (libnftables-json(5), "EXPRESSIONS")."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

from svcc.verify.trace.faults import ArtifactLine, LoadError, UnknownRule
from svcc.verify.trace.flow import Draw, Flow
from svcc.verify.trace.nft_sets import Elements, NamedSet
from svcc.verify.trace.nft_types import (
    INTEGER,
    Type,
    Value,
)

#: The most numbers that are drawn one by one, where nothing says which of them lead to the same result.
_DRAWN = 4096


class NoMatch(Exception):
    """An expression has no value for the packet, which ends the rule (NFT_BREAK)."""


class Expression(ABC):
    """Something that has a value for each packet."""

    __slots__ = ()

    @property
    @abstractmethod
    def types(self) -> tuple[Type, ...]:
        """The type of the value; for a concatenation, the type of each part."""

    @abstractmethod
    def value(self, flow: Flow) -> Value:
        """Return the value for a packet. Errors: NoMatch, UnknownRule."""

    def drawn(self, flow: Flow, cuts: Callable[[], set[int]]) -> Value:
        """Return the value, where only the numbers in ``cuts`` separate different results."""
        return self.value(flow)

    def tester(self, test: Callable[[Value], bool], cuts: Callable[[], set[int]]) -> Callable[[Flow], bool]:
        """Return a function that says whether the value for a packet passes a test. The test's result only changes at
        the numbers in ``cuts``.
        """
        value = self.value
        return lambda flow: test(value(flow))

    @abstractmethod
    def __str__(self) -> str:
        """Return the expression as ``nft list`` prints it."""


@dataclass(frozen=True, slots=True)
class Constant(Expression):
    """A value that is written in the rule."""

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

    def tester(self, test: Callable[[Value], bool], cuts: Callable[[], set[int]]) -> Callable[[Flow], bool]:
        """Return a function that says whether the field of a packet passes a test."""
        read = self.read
        return lambda flow: test(read(flow))

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True)
class Concat(Expression):
    """Several values combined into one key."""

    parts: tuple[Expression, ...]

    @property
    def types(self) -> tuple[Type, ...]:
        return tuple(type for part in self.parts for type in part.types)

    def value(self, flow: Flow) -> Value:
        found: list[int] = []
        for part in self.parts:
            value = part.value(flow)
            if isinstance(value, tuple):
                found += value
            else:
                found.append(value)
        return tuple(found)

    def __str__(self) -> str:
        return " . ".join(map(str, self.parts))


@dataclass(frozen=True, slots=True)
class Binary(Expression):
    """A bitwise operation on two numbers."""

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
    """``numgen`` and ``jhash``: one of ``modulus`` numbers from ``offset`` on, all equally likely."""

    place: ArtifactLine
    text: str
    modulus: int
    offset: int
    how: Draw
    hashed: Expression | None = None  # None: a new number for each packet
    seed: int | None = None  # None: the kernel chooses one for each rule

    @property
    def types(self) -> tuple[Type, ...]:
        return (INTEGER,)

    def value(self, flow: Flow) -> Value:
        if self.modulus > _DRAWN:
            raise UnknownRule(self.place, f"{self.text} with more than {_DRAWN} numbers is only followed into a map")
        return self.drawn(flow, lambda: set(range(self.offset, self.offset + self.modulus)))

    def drawn(self, flow: Flow, cuts: Callable[[], set[int]]) -> Value:
        bounds = self._bounds(cuts())
        flow.draws.add((self.how, self.place))
        key = None
        if self.hashed is not None:
            key = (self.place if self.seed is None else self.seed, str(self.hashed), self.hashed.value(flow))
        segment = flow.chance.segment([Fraction(bound, self.modulus) for bound in bounds], key)
        return bounds[segment] + self.offset

    def tester(self, test: Callable[[Value], bool], cuts: Callable[[], set[int]]) -> Callable[[Flow], bool]:
        """Return a function that draws the number, and says whether it passes a test. A new number only needs a share
        for that, so a cascade of such tests has one way for each test. A hash is the same number for all tests, so it
        matters where it is between the cuts.
        """
        if self.hashed is not None:
            return lambda flow: test(self.drawn(flow, cuts))
        count = sum(end - begin for begin, end in pairwise(self._bounds(cuts())) if test(begin + self.offset))
        share = Fraction(count, self.modulus)

        def holds(flow: Flow) -> bool:
            flow.draws.add((self.how, self.place))
            return flow.chance.happens(share)

        return holds

    def _bounds(self, cuts: set[int]) -> list[int]:
        """Return the cuts without the offset, from 0 to the modulus."""
        inner = sorted(cut - self.offset for cut in cuts if 0 < cut - self.offset < self.modulus)
        return [0, *inner, self.modulus]

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True)
class Lookup(Expression):
    """The value that a map has for a key."""

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
            found = self.elements.find(self.key.drawn(flow, self.elements.cuts))
        if found is None:
            raise NoMatch
        return found

    def __str__(self) -> str:
        return f"{self.key} map {self.text}"


def check_types(place: ArtifactLine, key: Expression, types: tuple[Type, ...], what: str) -> None:
    """Check that a key has the type of a set. Errors: LoadError."""
    if key.types != types:
        have, want = (" . ".join(map(str, t)) for t in (key.types, types))
        raise LoadError(place, f"{key} is {have}, and {what} is of {want}")
