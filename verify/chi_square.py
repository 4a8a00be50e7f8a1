"""Pearson's chi-square test: are these counts what these shares give?"""

from __future__ import annotations

import math
from collections.abc import Mapping
from fractions import Fraction
from typing import TypeVar

K = TypeVar("K")


def p_value(counts: Mapping[K, int], shares: Mapping[K, Fraction]) -> float:
    """The probability that chance alone makes counts that are at least as far from the shares as these.

    ``shares`` sum to 1; a key that they lack, but that was counted, has probability 0.
    """
    total = sum(counts.values())
    if any(key not in shares for key in counts):
        return 0.0
    if len(shares) < 2 or total == 0:
        return 1.0
    statistic = sum((counts.get(key, 0) - total * share) ** 2 / (total * share) for key, share in shares.items())
    return _survival(float(statistic), len(shares) - 1)


def _survival(statistic: float, freedom: int) -> float:
    """The upper tail of the chi-square distribution: the regularised upper incomplete gamma function.

    By its series below the mean and its continued fraction above (Abramowitz and Stegun 6.5.29, 6.5.31).
    """
    if statistic <= 0:
        return 1.0
    a, x = freedom / 2, statistic / 2
    scale = math.exp(a * math.log(x) - x - math.lgamma(a))
    if x < a + 1:
        term = total = 1 / a
        n = a
        while term > total * 1e-15:
            n += 1
            term *= x / n
            total += term
        return 1 - total * scale
    return scale / _continued_fraction(a, x)


def _continued_fraction(a: float, x: float) -> float:
    """x + (1-a)/(1 + 1/(x + (2-a)/(1 + 2/(x + …)))), from the inside out."""
    value = x
    for n in range(200, 0, -1):
        value = x + (n - a) / (1 + n / value)
    return value
