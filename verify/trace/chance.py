"""Chance as arithmetic: finds every way that a packet may take by random numbers, hashes and counters, with its exact
share.

A run is a plain function of a :class:`Chance`, written as if each number were drawn. :func:`explore` repeats it until
every draw has had every result, so that the shares of all runs sum to 1.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from fractions import Fraction
from itertools import pairwise
from typing import TypeVar

T = TypeVar("T")

_ONE = Fraction(1)
_ALL = Fraction(0), _ONE


class Chance:
    """The draws of one run. The first results are given; each further draw gets its first possible result."""

    def __init__(self, given: Sequence[int] = ()) -> None:
        self.share = _ONE
        # for each draw, the number of its result, and how many results there were
        self.drawn: list[tuple[int, int]] = []
        self._given = given
        # for each key, the interval of [0, 1) that its hash is known to be in
        self._hashes: dict[Hashable, tuple[Fraction, Fraction]] = {}

    def pick(self, shares: Sequence[Fraction]) -> int:
        """Draw the index of one of ``shares``, which are positive and sum to 1."""
        if len(shares) == 1:
            return 0
        index = self._given[len(self.drawn)] if len(self.drawn) < len(self._given) else 0
        self.drawn.append((index, len(shares)))
        self.share *= shares[index]
        return index

    def happens(self, share: Fraction) -> bool:
        """Draw whether something happens that happens in ``share`` of the cases, from 0 to 1."""
        if share <= 0 or share >= 1:
            return share >= 1
        return self.pick((share, 1 - share)) == 0

    def segment(self, cuts: Sequence[Fraction], key: Hashable = None) -> int:
        """Draw a number from 0 up to 1, and return between which two of ``cuts`` (from 0 to 1, rising) it is.

        With a ``key``, the number is that key's hash. It is the same for the whole run, so later answers agree with
        earlier ones.
        """
        low, high = self._hashes.get(key, _ALL) if key is not None else _ALL
        parts = []
        for index, (begin, end) in enumerate(pairwise(cuts)):
            begin, end = max(low, begin), min(high, end)
            if begin < end:
                parts.append((index, begin, end))
        index, begin, end = parts[self.pick([(end - begin) / (high - low) for _, begin, end in parts])]
        if key is not None:
            self._hashes[key] = begin, end
        return index


def explore(run: Callable[[Chance], T]) -> Iterator[tuple[Fraction, T]]:
    """Yield every result of ``run`` with its share."""
    given: list[int] = []
    while True:
        chance = Chance(given)
        result = run(chance)
        yield chance.share, result
        drawn = chance.drawn
        while drawn and drawn[-1][0] + 1 == drawn[-1][1]:
            drawn.pop()
        if not drawn:
            return
        given = [index for index, _ in drawn[:-1]] + [drawn[-1][0] + 1]
