"""The addresses of one family by their prefixes: where ways to them part, kept up to date address by address."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

#: As many addresses, ports or branches stand in one chain.
FEW = 16
#: Bits by which addresses are told apart in one step.
STEP = 4


class Prefix(NamedTuple):
    """Addresses that begin with the same bits. One of all bits is a single address."""

    number: int  # these bits
    length: int  # how many they are


class Prefixes:
    """``bits``: of an address, 32 or 128."""

    def __init__(self, bits: int) -> None:
        self.bits = bits
        self._addresses: set[int] = set()
        #: By length, below each prefix those that are a step longer.
        self._below: dict[int, dict[int, set[int]]] = {length: {} for length in range(bits - STEP, 0, -STEP)}

    def __contains__(self, address: int) -> bool:
        return address in self._addresses

    def add(self, address: int) -> None:
        """Take in an address that is not in it."""
        self._addresses.add(address)
        child = address
        for below in self._below.values():
            prefix = child >> STEP
            if prefix in below:
                below[prefix].add(child)
                return
            below[prefix] = {child}
            child = prefix

    def remove(self, address: int) -> None:
        """Take out an address that is in it."""
        self._addresses.discard(address)
        child = address
        for below in self._below.values():
            prefix = child >> STEP
            below[prefix].discard(child)
            if below[prefix]:
                return
            del below[prefix]
            child = prefix

    @property
    def branched(self) -> bool:
        """Whether there are too many addresses for one chain."""
        return len(self._addresses) > FEW

    @property
    def length(self) -> int:
        """The most bits by which at most :data:`FEW` nodes are told apart: those of the root."""
        if not self.branched:
            return self.bits
        return next((length for length, below in self._below.items() if len(below) <= FEW), STEP)

    def root(self) -> list[Prefix]:
        """The nodes that the root has, in the order of the addresses."""
        length = self.length
        found = self._addresses if length == self.bits else self._below[length].keys()
        return [self._node(number, length) for number in sorted(found)]

    def nodes(self, branch: Prefix) -> list[Prefix]:
        """What is below a node that is no address, likewise."""
        return [
            self._node(number, branch.length + STEP) for number in sorted(self._below[branch.length][branch.number])
        ]

    def _node(self, number: int, length: int) -> Prefix:
        """IPv6 addresses are far apart: where all those of a node are in a longer one, that takes its place."""
        while self.bits == 128 and length < self.bits and len(self._below[length][number]) == 1:
            (number,) = self._below[length][number]
            length += STEP
        return Prefix(number, length)

    def around(self, address: int) -> Iterator[Prefix]:
        """The nodes that an address is in, wherever there is one, from itself up."""
        for length in range(self.bits, 0, -STEP):
            yield Prefix(address >> (self.bits - length), length)
