"""Wait for connections of IPVS before the real server that carries them is removed.

A connection that IPVS forwards ends when its real server is removed, while a connection that nat translates goes on
without its rule. So a real server that is to be removed first gets no new connections. Nor do virtual servers when
another target takes over. They stay until their connections have ended, or the time is over.
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

#: The seconds that connections have to end, unless the caller says otherwise.
PATIENCE = 10.0
#: Seconds between two counts of the connections.
_GLANCE = 0.2


def drain_steps(differing: Differing, transition: Transition, patience: float) -> list[Step]:
    """Return the step in which svcc waits, alone in a list; an empty list where there is nothing to wait for.

    ``patience``: the seconds to wait at most; 0: do not wait.
    """
    if transition.new is None or not patience or not any(leaving(*_servers(differing))):
        return []
    title = f"wait at most {patience:.0f} s until connections to removed endpoints end"
    return [Step(Phase.DRAIN, PART, title, True, 1, lambda: None)]


def wait(differing: Differing, patience: float, tell: Callable[[int], None]) -> None:
    """Wait until the servers that are to be removed have no established connection, or ``patience`` seconds are over.

    ``tell`` is called with the number of connections that are left, and may raise. Errors: StepError.
    """
    deadline = time.monotonic() + patience
    have, want = _servers(differing)
    while (number := leaving_connections(have, want)) and time.monotonic() < deadline:
        tell(number)
        time.sleep(_GLANCE)


def _servers(differing: Differing) -> tuple[VirtualServers, VirtualServers]:
    """Return the virtual servers of the kernel, and those that are wanted; none of either where they are the same."""
    return next(((one.have, one.want) for one in differing if one.part == PART), ({}, {}))
