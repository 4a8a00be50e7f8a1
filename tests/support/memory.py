"""A limit for the memory that a piece of code takes."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

#: How many bytes the answer to one input may take, whatever the input is.
ONE_INPUT = 500 << 20


@contextmanager
def at_most(more: int = ONE_INPUT) -> Iterator[None]:
    """Inside the ``with`` block, allow this process ``more`` bytes than it has now. Beyond them Python raises
    MemoryError (setrlimit(2), RLIMIT_AS)."""
    has = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0]) * resource.getpagesize()
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (has + more, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)
