"""Wait for connections of IPVS before the real server that carries them goes.

A connection that IPVS forwards ends when its real server goes, while one that nat translated outlasts every rule. So a
real server that is to go first gets no new connections. Virtual servers get none when another target takes over. They
stay until their connections have ended, or the time is over.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from svcc.apply.driver import Transition
from svcc.apply.states import Differing
from svcc.kernel.ipvs.difference import PART, leaving
from svcc.kernel.ipvs.reading import leaving_connections
from svcc.kernel.ipvs.servers import VirtualServers
from svcc.kernel.steps import Phase, Step

#: Seconds that connections are given, unless somebody says otherwise.
PATIENCE = 10.0
#: Seconds between looks.
_GLANCE = 0.2


def drain_steps(differing: Differing, transition: Transition, patience: float) -> list[Step]:
    """The step in which svcc waits; none, where there is nothing to wait for."""
    if transition.new is None or not patience or not any(leaving(*_servers(differing))):
        return []
    title = f"connections to what goes may end, for at most {patience:.0f} s"
    return [Step(Phase.DRAIN, PART, title, True, 1, lambda: None)]


def wait(differing: Differing, patience: float, tell: Callable[[int], None]) -> None:
    """Wait until what goes has no established connection. ``tell`` is called with their number, and may raise.

    Errors: StepError.
    """
    deadline = time.monotonic() + patience
    have, want = _servers(differing)
    while (number := leaving_connections(have, want)) and time.monotonic() < deadline:
        tell(number)
        time.sleep(_GLANCE)


def _servers(differing: Differing) -> tuple[VirtualServers, VirtualServers]:
    """The virtual servers that are there, and those that are wanted; none where they are the same."""
    return next(((one.have, one.want) for one in differing if one.part == PART), ({}, {}))
