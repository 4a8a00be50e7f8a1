"""Watch whether an affinity of some seconds is kept, on a machine that may be busy."""

from __future__ import annotations

import time
from collections.abc import Callable

#: Seconds by which clocks may differ.
_BLUR = 0.2


def kept_beyond(limit: float, connect: Callable[[], str]) -> str:
    """Connect again and again, each time within ``limit`` seconds of the last, for longer than that in all. Return the
    endpoint.

    Fails where a connection in time gets another endpoint. Where one came too late to tell, it begins anew.
    """
    before = time.monotonic()
    name, begun = connect(), time.monotonic()
    while True:
        time.sleep(limit / 3)
        now = time.monotonic()
        found, after = connect(), time.monotonic()
        if after - before > limit - _BLUR:
            name, begun = found, after
        else:
            assert found == name
            if now - begun > limit + _BLUR:
                return name
        before = now
