"""Counts how many services need a shared thing, so that one service can leave, and what the others need stays."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Hashable
from typing import TypeVar

_Thing = TypeVar("_Thing", bound=Hashable)
#: For at most so many things, as most services have, a loop is quicker than ``Counter.update``.
_FEW = 3


def count(counter: Counter[_Thing], things: Collection[_Thing], by: int) -> None:
    """Count things once more (``by`` is 1), or once less (-1).

    A thing that nobody needs any more leaves the counter.
    """
    if by < 0:
        for thing in things:
            if counter[thing] == 1:
                del counter[thing]
            else:
                counter[thing] -= 1
    elif len(things) > _FEW:
        counter.update(iter(things))  # for a mapping, its keys
    else:
        for thing in things:
            counter[thing] = counter.get(thing, 0) + 1
