"""Weights, in the form in which turns and buckets need them."""

from __future__ import annotations

from collections.abc import Sequence
from math import gcd

#: The most buckets of ``-m cluster`` (XT_CLUSTER_NODES_MAX).
BUCKETS = 32


def units(weights: Sequence[int]) -> list[int]:
    """Return the weights, which are positive, in lowest terms."""
    common = gcd(*weights)
    return [weight // common for weight in weights]
