"""Python's garbage collector, for commands that run for long. :func:`svcc.command_line.main` turns it off."""

from __future__ import annotations

import gc

#: The thresholds of the collector's three generations (``gc.set_threshold``): new objects, collections of the first
#: generation, collections of the second. A program of 10,000 services has millions of objects, and a full collection
#: takes a second, in which nothing else happens. A check that fails leaves only some dozens in cycles.
_NEW_OBJECTS, _LOOKS_AT_NEW, _LOOKS_AT_LEFT = 10_000, 10, 1_000


def look_for_cycles() -> None:
    """Turn the garbage collector on, so that cycles of objects which nobody uses any more are freed from now on."""
    gc.enable()
    gc.set_threshold(_NEW_OBJECTS, _LOOKS_AT_NEW, _LOOKS_AT_LEFT)
