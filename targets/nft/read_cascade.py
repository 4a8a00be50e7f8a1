"""Whether the rules of a chain that counts are the turns of some weights."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from math import gcd, lcm
from typing import TypeAlias

from svcc.compiler import ir
from svcc.kernel.nft.expressions import Numgen, Word
from svcc.kernel.nft.statements import Goto, Match, Statement
from svcc.targets.nft.choice import Choice

#: The largest weight (ir.Endpoint).
_WEIGHT = 65_535

#: A rule of a cascade: each ``at``-th of ``n`` connections that reach it goes to a chain.
Turn: TypeAlias = tuple[int, int, str]


def turn_of(rule: Sequence[Statement]) -> Turn | None:
    """The turn that a rule counts; None: it counts nothing."""
    match rule:
        case [Match(Numgen("inc", int(n)), Word(int(at))), Goto(str(chain))]:
            return n, at, chain
    return None


def are_turns(turns: Sequence[Turn], last: str) -> bool:
    """Whether rules are those of a :class:`Choice` with some weights. ``last``: where all that they leave goes."""
    found = _weights(turns, last)
    if found is None:
        return False
    wanted = Choice(ir.Scheduler.WRR, tuple(found.values()), (None,)).turns()
    order = [*found]
    return [(n, at, order[slot]) for n, at, slot in wanted] == [*turns, (1, 0, last)]


def _weights(turns: Sequence[Turn], last: str) -> dict[str, int] | None:
    """The only weights, by chain from the last to the first, of which these can be the turns; None: there are none.

    Backwards, in parts of what is left for the last: a turn of ``n`` leaves ``n - 1`` parts of what reaches it. In a
    cycle each rule is reached by a whole number of connections, so the parts have denominators that divide the last
    one's weight. That keeps numbers small, whatever somebody wrote.
    """
    parts, reaching, unit = {last: Fraction(1)}, Fraction(1), 1
    for n, _, chain in reversed(turns):
        if n < 2:
            return None
        before = reaching * n / (n - 1)
        parts[chain] = parts.get(chain, Fraction(0)) + before - reaching
        reaching, unit = before, lcm(unit, before.denominator)
        if unit > _WEIGHT or parts[chain] > _WEIGHT:
            return None
    weights = {chain: int(part * unit) for chain, part in parts.items()}
    divisor = gcd(*weights.values())
    lowest = {chain: weight // divisor for chain, weight in weights.items()}
    return lowest if max(lowest.values()) <= _WEIGHT else None
