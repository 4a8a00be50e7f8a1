"""How many services need a thing that services share: so one of them can go, and what the others need stays."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Hashable
from typing import TypeVar

_Thing = TypeVar("_Thing", bound=Hashable)
#: Of as few as most services have, a loop is quicker than ``Counter.update``.
_FEW = 3


def count(counter: Counter[_Thing], things: Collection[_Thing], by: int) -> None:
    """Count things once more (``by`` is 1), or once less (-1). What nobody needs any more is not in the counter."""
    if by < 0:
        for thing in things:
            if counter[thing] == 1:
                del counter[thing]
            else:
                counter[thing] -= 1
    elif len(things) > _FEW:
        counter.update(iter(things))  # of a mapping the keys
    else:
        for thing in things:
            counter[thing] = counter.get(thing, 0) + 1
