"""Whether the rules of a chain that counts are the turns of some weights."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from math import gcd, lcm
from typing import TypeAlias

from svcc.compiler import ir
from svcc.targets.nft.choice import Choice
from svcc.targets.nft.expressions import Numgen, Word
from svcc.targets.nft.statements import Goto, Match, Statement

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
    taken: dict[str, Fraction] = {last: Fraction(0)}
    left, common = Fraction(1), 1
    for n, _, chain in turns:
        common = lcm(common, n)
        if n < 2 or common > _WEIGHT**2 * len(turns):
            return False
        part = left / n
        taken[chain] = taken.get(chain, Fraction(0)) + part
        left -= part
    taken[last] += left
    order = [*dict.fromkeys((last, *(chain for _, _, chain in reversed(turns))))]
    whole = lcm(*(part.denominator for part in taken.values()))
    weights = [int(taken[chain] * whole) for chain in order]
    divisor = gcd(*weights)
    weights = [weight // divisor for weight in weights]
    if max(weights) > _WEIGHT:
        return False
    wanted = Choice(ir.Scheduler.WRR, tuple(weights), (None,)).turns()
    return [(n, at, order[slot]) for n, at, slot in wanted] == [*turns, (1, 0, last)]
