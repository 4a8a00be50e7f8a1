"""A plan that can be carried out now: two states, what differs between them, and the steps from one to the other."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

from svcc.apply import drain
from svcc.apply.by_service import ChangedServices
from svcc.apply.driver import Fingerprint, Transition
from svcc.apply.machine import Machine, Readings
from svcc.apply.other_prefixes import OtherPrefixes
from svcc.apply.states import Differing, States
from svcc.kernel.routes import Destination, Frontends, Routes
from svcc.kernel.steps import Change, FrontendAddress, Phase, Step


@dataclass(frozen=True)
class ExecutionPlan:
    """The steps from the state of this machine to a wanted one, with all that the engine needs to take them. Making a
    plan changes nothing. The plan that is saved and applied later is a :class:`svcc.apply.plan.Plan`.
    """

    machine: Machine
    transition: Transition
    live: States = field(repr=False)
    wanted: States = field(repr=False)
    changes: tuple[Change, ...]
    steps: tuple[Step, ...]
    obstacles: tuple[str, ...]
    gone_routes: Routes = field(default_factory=Routes)  # routes that get no new connections afterwards
    new_frontends: Frontends = field(default_factory=Frontends)  # frontends that are served afterwards, and not before
    patience: float = drain.PATIENCE  # seconds to wait for connections that only the old target can carry on
    readings: Readings = field(default_factory=dict, repr=False)  # the readings that gave the live state
    differing: Differing = field(default=(), repr=False)
    lasting: Routes = field(default_factory=Routes)  # those of the gone routes whose connections go on, UDP's too
    networks: tuple[str, ...] = ()  # the networks whose local addresses serve node ports afterwards; none: all
    #: The fingerprints of parts that are not read, and stay as they are.
    fingerprints: Mapping[str, Fingerprint] = field(default_factory=dict, repr=False)
    asking: bool = False  # whether only objects that differ are read back: all others are known to be there
    #: Makes the machine that going back needs, where ``machine`` does not know all bundles that may be in the kernel.
    make_whole_machine: Callable[[], Machine] | None = field(default=None, repr=False)
    changed: ChangedServices | None = field(default=None, repr=False)  # where only these services differ
    #: Sentences that name what others have under our names. The steps leave it alone; a person is told of it first.
    foreign: tuple[str, ...] = ()

    left: tuple[str, ...] = ()  # sentences that name what stays, emptied, as others use it
    other_prefixes: OtherPrefixes = field(default_factory=OtherPrefixes, repr=False, compare=False)

    @property
    def refusals(self) -> tuple[str, ...]:
        """The reasons why a command of a person does not take the steps."""
        return tuple(dict.fromkeys((*self.foreign, *self.obstacles)))

    @property
    def forgotten_routes(self) -> Routes:
        """The routes whose UDP connections are forgotten."""
        return self.gone_routes.over("udp") - self.lasting

    @cached_property
    def released(self) -> frozenset[int]:
        """The IP versions of which no rule of ours, under whatever prefix, has the kernel track and translate
        connections any more (:meth:`Driver.tracks`)."""
        before = {version for one in self.differing for version in one.driver.tracks(one.have)}
        after = {version for one in self.differing for version in one.driver.tracks(one.want)}
        if before <= after:
            return frozenset()
        parts = {one.part for one in self.differing}
        others = (one.tracks(self.wanted.of(one)) for one in self.machine.drivers if one.part not in parts)
        return frozenset(before - after).difference(*others, self.other_prefixes.tracked)

    def leads(self, frontend: FrontendAddress, version: int) -> bool:
        """Whether a frontend leads to endpoints of an IP version afterwards, under whatever prefix.

        IPVS has a virtual server at each of the node's addresses for a node port, so that in a move from or to it only
        protocols and ports are compared.
        """
        own = self._comparable(frontend) in self._led.get(version, Frontends())
        return own or self.other_prefixes.lead(frontend, version)

    @cached_property
    def _led(self) -> dict[int, Frontends]:
        found: dict[int, list[tuple[Destination, int, int]]] = {}
        for route in self.machine.served(self.wanted):
            at = self._comparable(route.frontend)
            ports = Destination(at.address, at.protocol), at.port, at.port + route.ports - 1
            found.setdefault(route.version, []).append(ports)
        return {version: Frontends(ranges) for version, ranges in found.items()}

    def _comparable(self, frontend: FrontendAddress) -> FrontendAddress:
        return frontend if self.transition.old == self.transition.new else replace(frontend, address=None)

    @property
    def empty(self) -> bool:
        """Whether the kernel holds already what is wanted."""
        return not self.changes

    @property
    def begins_to_answer(self) -> set[str]:
        """The addresses for which the machine answers ARP and neighbour solicitations afterwards, and does not now."""
        now, afterwards = self._answered
        return afterwards - now

    @property
    def ceases_to_answer(self) -> set[str]:
        """The addresses for which it does so now, and does not afterwards."""
        now, afterwards = self._answered
        return now - afterwards

    @cached_property
    def _answered(self) -> tuple[set[str], set[str]]:
        now = {address for one in self.differing for address in one.driver.announced(one.have)}
        return now, {address for one in self.differing for address in one.driver.announced(one.want)}

    @property
    def changes_services(self) -> bool:
        """Whether it is known that the plan changes services, so that nothing need be compared to see that."""
        return self.changed is not None and not self.empty

    def whole_machine(self) -> Machine:
        """Return the machine that going back needs. Errors: StoreError, ValueError."""
        return self.machine if self.make_whole_machine is None else self.make_whole_machine()

    @property
    def recognised(self) -> bool:
        """Whether every part that takes long to read matched its fingerprint."""
        return all(self.live.from_text(one) is not None for one in self.machine.drivers if one.part in self.readings)


def execution_plan(
    machine: Machine,
    transition: Transition,
    live: States,
    wanted: States,
    differing: Differing,
    *,
    obstacles: Iterable[str],
    ended: Routes,
    lasting: Callable[[Routes], Routes],
    networks: tuple[str, ...],
    patience: float,
    readings: Readings,
    other_prefixes: OtherPrefixes,
    translates: bool | None = None,
) -> ExecutionPlan:
    """Return the plan for parts that differ.

    ``ended``: the routes of endpoints that were draining, and are gone now. ``lasting``: returns those of the gone
    routes whose connections go on. ``translates``: see :meth:`Machine.steps`. All others: see :class:`ExecutionPlan`.
    Errors: StepError, ValueError.
    """
    steps = machine.steps(live, differing, transition, translates=translates)
    gone = machine.gone_routes(differing, transition) | ended
    return ExecutionPlan(
        machine,
        transition,
        live,
        wanted,
        tuple(machine.changes(differing)),
        _with_drain(steps, drain.drain_steps(differing, transition, patience)),
        tuple(obstacles),
        gone,
        machine.new_frontends(differing),
        patience,
        readings,
        differing,
        lasting(gone),
        networks,
        other_prefixes=other_prefixes,
    )


def _with_drain(steps: Sequence[Step], waiting: Sequence[Step]) -> tuple[Step, ...]:
    """Return the steps, with the waiting before the first step that takes something away from the old target."""
    first = next((at for at, step in enumerate(steps) if step.phase > Phase.DRAIN), len(steps))
    return (*steps[:first], *(waiting if first < len(steps) else ()), *steps[first:])
