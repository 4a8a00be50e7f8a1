"""Checks whether the rules of a chain with counters are the turns of some weights."""

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

#: A rule of a cascade: number ``at`` of every ``n`` connections that reach it goes to a chain.
Turn: TypeAlias = tuple[int, int, str]


def turn_of(rule: Sequence[Statement]) -> Turn | None:
    """Return the turn that a rule counts. Return None where it counts nothing."""
    match rule:
        case [Match(Numgen("inc", int(n)), Word(int(at))), Goto(str(chain))]:
            return n, at, chain
    return None


def are_turns(turns: Sequence[Turn], last: str) -> bool:
    """Whether the rules are those of a :class:`Choice` with some weights.

    ``last``: the chain for all that they leave.
    """
    found = _weights(turns, last)
    if found is None:
        return False
    wanted = Choice(ir.Scheduler.WRR, tuple(found.values()), (None,)).turns()
    order = [*found]
    return [(n, at, order[slot]) for n, at, slot in wanted] == [*turns, (1, 0, last)]


def _weights(turns: Sequence[Turn], last: str) -> dict[str, int] | None:
    """Return the only weights that can have these turns, by chain from the last to the first. Return None where there
    are none.

    The computation goes backwards, and measures in parts of what the last chain gets: a turn of ``n`` leaves ``n - 1``
    of ``n`` parts. In a cycle a whole number of connections reaches each rule, so the denominators of the parts divide
    the last chain's weight. That keeps the numbers small, whatever somebody wrote.
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
