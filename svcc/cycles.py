"""Python's search for objects that hold each other, for commands that run for long: :func:`main` does without."""

from __future__ import annotations

import gc

#: After so many new objects Python looks at these; after so many such looks at those that were left by them; and after
#: so many of the latter at all that there are. Of 10,000 services these are millions, and to look at them takes a
#: second, in which nothing else happens. A check that fails leaves some dozens.
_NEW_OBJECTS, _LOOKS_AT_NEW, _LOOKS_AT_LEFT = 10_000, 10, 1_000


def look_for_cycles() -> None:
    """Have what holds itself, and is of no use any more, freed from now on."""
    gc.enable()
    gc.set_threshold(_NEW_OBJECTS, _LOOKS_AT_NEW, _LOOKS_AT_LEFT)
