"""Pearson's chi-square test: whether counts agree with expected shares."""

from __future__ import annotations

import math
from collections.abc import Mapping
from fractions import Fraction
from typing import TypeVar

K = TypeVar("K")


def p_value(counts: Mapping[K, int], shares: Mapping[K, Fraction]) -> float:
    """Return the probability that chance alone gives counts that are at least as far from the shares as these.

    ``shares`` sum to 1. A key that was counted, but is not among them, has the share 0.
    """
    total = sum(counts.values())
    if any(key not in shares for key in counts):
        return 0.0
    if len(shares) < 2 or total == 0:
        return 1.0
    statistic = sum((counts.get(key, 0) - total * share) ** 2 / (total * share) for key, share in shares.items())
    return _survival(float(statistic), len(shares) - 1)


def _survival(statistic: float, freedom: int) -> float:
    """Return the upper tail of the chi-square distribution: the regularised upper incomplete gamma function.

    It uses the series below the mean, and the continued fraction above (Abramowitz and Stegun 6.5.29, 6.5.31).
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
    """Return x + (1-a)/(1 + 1/(x + (2-a)/(1 + 2/(x + …)))), computed from the inside out."""
    value = x
    for n in range(200, 0, -1):
        value = x + (n - a) / (1 + n / value)
    return value
