"""What becomes of the connections that a plan touches: of those to endpoints that leave, and of UDP flows to what was
not served before."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from enum import Enum
from typing import NamedTuple

from svcc.apply.execution_plan import ExecutionPlan
from svcc.kernel import conntrack
from svcc.kernel.routes import Route, Routes
from svcc.kernel.steps import FrontendAddress


class Fate(Enum):
    """What becomes of a connection. The values are the words of a plan in JSON."""

    GOES_ON = "goes on"  # as long as its endpoint answers
    RELEASED = "released"  # it ends, unless rules of others have the kernel track and translate its IP version
    ENDS = "ends"  # with its endpoint
    MOVES = "moves"  # the kernel forgets it (UDP), and its next packet goes to another endpoint
    FORGOTTEN = "forgotten"  # likewise, but no endpoint is left for its next packet
    SERVED = (
        "served"  # it went to the address itself (UDP): the kernel forgets it, and an endpoint gets its next packet
    )


class Fated(NamedTuple):
    """A route, how many connections it has now, and what becomes of them."""

    route: Route  # of what is served from now on: to the address itself
    number: int
    fate: Fate


def fates(plan: ExecutionPlan) -> list[Fated]:
    """Return what becomes of the connections that the kernel remembers now, sorted. Errors: StepError."""
    found = [Fated(route, number, _fate(plan, route)) for route, number in conntrack.count(plan.gone_routes).items()]
    return sorted([*found, *_served(plan)], key=lambda one: str(one.route))


def _fate(plan: ExecutionPlan, route: Route) -> Fate:
    if route in plan.forgotten_routes:
        return Fate.MOVES if plan.leads(route.frontend, route.version) else Fate.FORGOTTEN
    if plan.transition.from_balancer:
        return Fate.ENDS
    return Fate.RELEASED if route.version in plan.released else Fate.GOES_ON


def _served(plan: ExecutionPlan) -> Iterator[Fated]:
    counted = Counter[Route]()
    for one in conntrack.stale_connections(Routes(), plan.new_frontends, plan.networks):
        at = FrontendAddress(one.address, one.protocol, one.port)
        at = at if at in plan.new_frontends else replace(at, address=None)
        counted[Route(at, one.address, one.port)] += 1
    yield from (Fated(route, number, Fate.SERVED) for route, number in counted.items())
