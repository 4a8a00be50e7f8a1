"""The machine as a whole: the states of all drivers, what differs between two of them, and the steps in order."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from svcc.apply import ipvs, nft, xtables
from svcc.apply.driver import Driver, Transition
from svcc.apply.scope import Scope
from svcc.apply.steps import TEARDOWN, Change, Phase, Place, Route, Step
from svcc.targets.interface import Bundle

#: A state of everything that is ours, by the driver's part.
States = Mapping[str, Any]
#: Readings that were begun, by the driver's part: what waits for them.
Begun = Mapping[str, Callable[[], Any]]

DRIVERS: tuple[Driver[Any], ...] = (*ipvs.DRIVERS, nft.DRIVER, *xtables.DRIVERS)


@dataclass(frozen=True)
class Machine:
    """What is ours on this machine. Everything happens in the network namespace of the calling thread."""

    scope: Scope
    drivers: Sequence[Driver[Any]] = field(default_factory=lambda: DRIVERS)

    def parse(self, bundle: Bundle | None) -> States:
        """What a bundle asks for; None: that nothing of ours is there. Errors: ValueError."""
        return {driver.part: driver.parse(_text(bundle, driver.part), self.scope) for driver in self.drivers}

    def read(self, wanted: States, begun: Begun | None = None) -> States:
        """What is there. ``begun``: readings of the same scope, to be waited for. Errors: StepError."""
        waiting = begun or {}
        return {
            one.part: waiting[one.part]() if one.part in waiting else one.read(self.scope, wanted[one.part])
            for one in self.drivers
        }

    def begin(self) -> Begun:
        """Begin to read what is there."""
        begun = ((driver.part, driver.begin(self.scope)) for driver in self.drivers)
        return {part: wait for part, wait in begun if wait is not None}

    def read_back(self, live: States, wanted: States) -> States:
        """What is there after the steps between two states. Errors: StepError."""
        return {
            driver.part: driver.read_back(self.scope, live[driver.part], wanted[driver.part]) for driver in self.drivers
        }

    def dump(self, states: States) -> dict[str, Any]:
        return {driver.part: driver.dump(states[driver.part]) for driver in self.drivers}

    def load(self, data: Mapping[str, Any]) -> States:
        return {driver.part: driver.load(data[driver.part]) for driver in self.drivers}

    def differing(self, live: States, wanted: States) -> Iterator[tuple[Driver[Any], Any, Any]]:
        for driver in self.drivers:
            if live[driver.part] != wanted[driver.part]:
                yield driver, live[driver.part], wanted[driver.part]

    def changes(self, live: States, wanted: States) -> list[Change]:
        return [change for d, have, want in self.differing(live, wanted) for change in d.changes(have, want)]

    def obstacles(self, live: States, wanted: States) -> list[str]:
        return [why for d, have, want in self.differing(live, wanted) for why in d.obstacles(have, want, self.scope)]

    def steps(self, live: States, wanted: States, transition: Transition) -> list[Step]:
        """In the order in which they are taken. In one phase, what comes is there before what goes is gone."""
        first = self._translates(live)
        ranked = [
            (_rank(step.phase, transition, first), want == driver.parse("", self.scope), step)
            for driver, have, want in self.differing(live, wanted)
            for step in driver.steps(have, want, self.scope, transition)
        ]
        return [step for _, _, step in sorted(ranked, key=lambda one: one[:2])]

    def _translates(self, live: States) -> bool:
        """Whether it is rules that serve, and not IPVS: when they go, what they led elsewhere has to be local."""
        rules = [driver for driver in self.drivers if driver.part in ("nft", "iptables", "ip6tables")]
        return not live.get("ipvsadm") and any(live[one.part] != one.parse("", self.scope) for one in rules)

    def left(self, live: States, wanted: States, transition: Transition) -> set[Route]:
        """The routes that are gone when ``wanted`` is there.

        Translated connections go on when another part translates the new ones; those of IPVS do not outlast it.
        """
        gone: set[Route] = set()
        kept: set[Route] = set()
        for driver, have, want in self.differing(live, wanted):
            left = driver.left(have, want)
            gone |= left
            if transition.new != transition.old and transition.old != "ipvs":
                kept |= set(driver.routes(want))
        return gone - kept

    def come(self, live: States, wanted: States) -> set[Place]:
        """The places that ``wanted`` serves and ``live`` does not."""
        come: set[Place] = set()
        before: set[Place] = set()
        for driver, have, want in self.differing(live, wanted):
            come |= {route.place for route in driver.left(want, have)}
            before |= {route.place for route in driver.routes(have)}
        return come - before


def _rank(phase: Phase, transition: Transition, addresses_first: bool) -> int:
    if phase is Phase.ADDRESSES and addresses_first:
        return Phase.SYSCTLS
    if transition.new is None and phase in TEARDOWN:
        return Phase.RULES + TEARDOWN.index(phase)
    return phase


def _text(bundle: Bundle | None, part: str) -> str:
    artifact = bundle.artifact(part) if bundle else None
    return artifact.text if artifact else ""
