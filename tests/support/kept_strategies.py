"""Hypothesis strategies that are kept: of the same options it is the same strategy.

Hypothesis looks into each strategy that it has not seen (is it valid, can it be empty), which takes as long as to draw
from it, and strategies within a composite one are made anew for each example. The draws are the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import TypeVar

from hypothesis import strategies as st

T = TypeVar("T")

#: How many strategies are kept of each kind.
KEPT = 4096


def sampled_from(options: Sequence[T]) -> st.SearchStrategy[T]:
    """Draw one of the options, which are hashable."""
    return _sampled_from(tuple(options), tuple(map(type, options)))


def several(options: Sequence[T], min_size: int = 0, max_size: int = 3) -> st.SearchStrategy[tuple[T, ...]]:
    """Draw several different options, in any order. The options are hashable."""
    return _several(tuple(options), tuple(map(type, options)), min_size, max_size)


@lru_cache(KEPT)
def _sampled_from(options: tuple[T, ...], types: tuple[type, ...]) -> st.SearchStrategy[T]:
    """Return the strategy. ``types``, of the options, tell apart what is equal: 1 and True."""
    assert len(options) == len(types)
    return st.sampled_from(options)


@lru_cache(KEPT)
def _several(
    options: tuple[T, ...], types: tuple[type, ...], min_size: int, max_size: int
) -> st.SearchStrategy[tuple[T, ...]]:
    assert len(options) == len(types)
    return st.lists(st.sampled_from(options), unique=True, min_size=min_size, max_size=max_size).map(tuple)
