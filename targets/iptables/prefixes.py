"""The addresses of one family as a tree of prefixes, which shows where chains have to branch; it is kept up to date."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

#: The most addresses, ports or branches in one chain.
FEW = 16
#: The bits of an address that one branch decides.
STEP = 4


class Prefix(NamedTuple):
    """The addresses that begin with the same bits. A prefix of full length is a single address."""

    number: int  # the bits
    length: int  # the number of bits


class Prefixes:
    """The tree of prefixes. ``bits``: of an address, 32 or 128."""

    def __init__(self, bits: int) -> None:
        self.bits = bits
        self._addresses: set[int] = set()
        #: By length, the prefixes below each prefix: they are one step longer.
        self._below: dict[int, dict[int, set[int]]] = {length: {} for length in range(bits - STEP, 0, -STEP)}

    def __contains__(self, address: int) -> bool:
        return address in self._addresses

    def add(self, address: int) -> None:
        """Add an address that is not in the tree."""
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
        """Remove an address that is in the tree."""
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
        """The length of the root's prefixes: the longest for which there are at most :data:`FEW` of them."""
        if not self.branched:
            return self.bits
        return next((length for length, below in self._below.items() if len(below) <= FEW), STEP)

    def root(self) -> list[Prefix]:
        """Return the root's prefixes, in the order of their addresses."""
        length = self.length
        found = self._addresses if length == self.bits else self._below[length].keys()
        return [self._node(number, length) for number in sorted(found)]

    def nodes(self, branch: Prefix) -> list[Prefix]:
        """Return the prefixes below one that is no single address, in the order of their addresses."""
        return [
            self._node(number, branch.length + STEP) for number in sorted(self._below[branch.length][branch.number])
        ]

    def _node(self, number: int, length: int) -> Prefix:
        """Return a node of the tree. IPv6 addresses are far apart: where all addresses of a prefix have a longer one in
        common, that takes its place.
        """
        while self.bits == 128 and length < self.bits and len(self._below[length][number]) == 1:
            (number,) = self._below[length][number]
            length += STEP
        return Prefix(number, length)

    def around(self, address: int) -> Iterator[Prefix]:
        """Yield the nodes that hold an address, from the address itself up."""
        for length in range(self.bits, 0, -STEP):
            yield Prefix(address >> (self.bits - length), length)
