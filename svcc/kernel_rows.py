"""The endpoints of each frontend, as the kernel holds them and as they were applied."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from enum import Enum
from typing import NamedTuple

from svcc.apply.execution_plan import ExecutionPlan
from svcc.apply.summary import ServedFrontend, State, Summary
from svcc.kernel.conntrack import Shown, Usage
from svcc.kernel.routes import Destination, Way
from svcc.kernel.steps import Change, FrontendAddress


class Agreement(Enum):
    """How the kernel and what was applied agree about an endpoint; the value is what `status` shows."""

    AS_APPLIED = ""
    MISSING = "not in the kernel"
    ADDED = "only in the kernel"
    CHANGED = "changed in the kernel"


#: The usage of an endpoint without connections, as most are.
_UNUSED = Usage()


class Row(NamedTuple):
    """An endpoint of a frontend. ``weight`` is None where only the kernel has the endpoint."""

    address: str
    port: int  # the one to which the frontend's first port leads
    weight: int | None
    usage: Usage
    held: Agreement
    state: State | None = None  # None where only the kernel has the endpoint


class Rows:
    """The endpoints of all frontends, from what was applied, the kernel's rules and connection tracking."""

    def __init__(
        self,
        plan: ExecutionPlan,
        summary: Summary,
        used: Mapping[Shown, Usage],
        changes: Sequence[Change] | None = None,
        unrecorded: Sequence[ServedFrontend] = (),
    ) -> None:
        """``changes``: from what the kernel holds to what was applied, where the plan leads to something else.
        ``unrecorded``: frontends that the kernel alone has.
        """
        differing = plan.changes if changes is None else changes
        self._used = _by_way(used)
        self._node = summary.node_addresses
        self._live = _by_frontend(plan, [*summary.frontends, *unrecorded], self._node) if differing else None
        self._changed = _changed(differing, summary)

    def of(self, frontend: ServedFrontend) -> Iterator[Row]:
        """Yield a row for each endpoint of a frontend: first those that were applied, in order, then those that others
        added."""
        if self._live is None:
            for (address, port, weight), state in zip(frontend.endpoints, frontend.states(), strict=True):
                yield Row(address, port, weight, self._usage(frontend, address, port), Agreement.AS_APPLIED, state)
            return
        live = self._held(frontend)
        known = {(address, port) for address, port, weight in frontend.endpoints if weight}
        others = Agreement.CHANGED if live == known and frontend in self._changed else Agreement.AS_APPLIED
        for (address, port, weight), state in zip(frontend.endpoints, frontend.states(), strict=True):
            held = Agreement.MISSING if weight and (address, port) not in live else others
            yield Row(address, port, weight, self._usage(frontend, address, port), held, state)
        for address, port in sorted(live - {one[:2] for one in frontend.endpoints}):
            yield Row(address, port, None, self._usage(frontend, address, port), Agreement.ADDED)

    def _held(self, frontend: ServedFrontend) -> set[tuple[str, int]]:
        """Return the endpoints to which the kernel's rules lead from the first port. On ipvs a node port is looked up
        by the node's addresses."""
        assert self._live is not None
        found: set[tuple[str, int]] = set()
        for address in _addresses(frontend, self._node):
            found |= self._live.get(FrontendAddress(address, frontend.protocol, frontend.first), set())
        return {one for one in found if (":" in one[0]) == (frontend.version == 6)}

    def _usage(self, frontend: ServedFrontend, address: str, port: int) -> Usage:
        way = Way(frontend.address, frontend.protocol, address, port - frontend.first)
        found = _UNUSED
        for at, usage in self._used.get(way, ()):
            if at in frontend.ports:
                found = found.plus(usage)
        return found


def _addresses(frontend: ServedFrontend, node: Collection[str]) -> tuple[str | None, ...]:
    return (frontend.address,) if frontend.address is not None else (None, *node)


def _by_way(used: Mapping[Shown, Usage]) -> dict[Way, list[tuple[int, Usage]]]:
    """Return the usage of ports by what the routes of a range of ports have in common."""
    found: dict[Way, list[tuple[int, Usage]]] = {}
    for (address, protocol, port, endpoint, target), usage in used.items():
        found.setdefault(Way(address, protocol, endpoint, target - port), []).append((port, usage))
    return found


def _by_frontend(
    plan: ExecutionPlan, frontends: Iterable[ServedFrontend], node: Collection[str]
) -> dict[FrontendAddress, set[tuple[str, int]]]:
    """Return the endpoints to which the kernel's rules lead from the first ports of frontends. ``node``: the node's
    addresses."""
    firsts: dict[Destination, set[int]] = {}
    for one in frontends:
        for address in _addresses(one, node):
            firsts.setdefault(Destination(address, one.protocol), set()).add(one.first)
    ports = {to: sorted(some) for to, some in firsts.items()}
    found: dict[FrontendAddress, set[tuple[str, int]]] = {}
    for route in plan.machine.routes(plan.live):
        at = route.frontend
        own = ports.get(Destination(at.address, at.protocol), [])
        for port in own[bisect_left(own, at.port) : bisect_left(own, at.port + route.ports)]:
            end = route.endpoint, route.port + port - at.port
            found.setdefault(FrontendAddress(at.address, at.protocol, port), set()).add(end)
    return found


def _changed(changes: Sequence[Change], summary: Summary) -> set[ServedFrontend]:
    """Return the frontends of which some object differs. An object that names a service and port, as a chain of
    iptables does, is of all their frontends."""
    found = [(change, one) for change in changes if (one := summary.of(change)) is not None]
    named = {(one.label, one.version) for change, one in found if change.label}
    further = {summary.frontend(at) for change, _ in found for at in change.further}
    labelled = {one for one in summary.frontends if (one.label, one.version) in named}
    return {one for _, one in found} | {one for one in further if one is not None} | labelled
