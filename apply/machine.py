"""The machine as a whole: read the states of all drivers, compare them, and put the steps of all drivers in order."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from types import MappingProxyType
from typing import Any, TypeAlias

from svcc.apply import drivers, nft
from svcc.apply.driver import Driver, Fingerprint, Reading, State, Transition
from svcc.apply.scope import Scope
from svcc.apply.states import Differing, DifferingPart, FromText, States
from svcc.kernel.routes import Frontends, Route, Routes
from svcc.kernel.steps import TEARDOWN, Change, Phase, Step
from svcc.targets.interface import Artifact, Bundle

#: Readings that were begun, by the name of the driver's part.
Readings: TypeAlias = Mapping[str, Reading[Any]]

DRIVERS: tuple[Driver[Any], ...] = (*drivers.HOST, nft.DRIVER, *drivers.RULES)


@dataclass(frozen=True)
class Machine:
    """All of our objects on this machine, by all drivers together. Everything happens in the network namespace of the
    calling thread."""

    scope: Scope
    drivers: Sequence[Driver[Any]] = field(default_factory=lambda: DRIVERS)

    def parse_later(self, bundle: Callable[[], Bundle | None], fingerprints: Mapping[str, Fingerprint]) -> States:
        """Return the states that a bundle asks for, as :meth:`parse` does, but call ``bundle`` only when the first of
        them is looked at. ``fingerprints``: those recorded while that bundle was in the kernel."""
        made = cache(bundle)
        live_only = {part: fingerprint.live_only for part, fingerprint in fingerprints.items()}
        return States(
            {one.part: _from_text_later(one, made, self.scope, live_only.get(one.part)) for one in self.drivers}
        )

    def parse(self, bundle: Bundle | None) -> States:
        """Return the states that a bundle asks for; for None, the states without any of our objects.

        Errors: ValueError, when one of them is looked at.
        """
        return States({one.part: _from_text(one, bundle, self.scope) for one in self.drivers})

    def begin(self, fingerprints: Mapping[str, Fingerprint] = MappingProxyType({})) -> Readings:
        """Begin to read the kernel. ``fingerprints``: those recorded in this scope, by part."""
        readings = ((driver.part, driver.begin(self.scope, fingerprints.get(driver.part))) for driver in self.drivers)
        return {part: reading for part, reading in readings if reading is not None}

    def read(
        self,
        wanted: States,
        readings: Readings | None = None,
        recorded: Bundle | None = None,
        fingerprints: Mapping[str, Fingerprint] = MappingProxyType({}),
    ) -> States:
        """Return the states of our objects in the kernel. Errors: StepError.

        ``wanted``: of objects that belong to nobody, those that it names are read. ``readings``: readings that were
        begun in the same scope; None: begin them now. ``recorded``: the bundle in place, with the ``fingerprints`` that
        its parts had in the kernel: a part that matches its fingerprint is not parsed.
        """
        readings = self.begin() if readings is None else readings
        return States(
            {
                one.part: self._state(one, readings.get(one.part), wanted, recorded, fingerprints.get(one.part))
                for one in self.drivers
            }
        )

    def _state(
        self,
        driver: Driver[State],
        reading: Reading[State] | None,
        wanted: States,
        recorded: Bundle | None,
        fingerprint: Fingerprint | None,
    ) -> State | FromText[State]:
        """Return the state that is read, or that of the recorded bundle where the part matches its fingerprint."""
        if reading is None:
            return driver.read(self.scope, wanted.of(driver))
        if fingerprint and reading.matches(fingerprint, self.scope):
            return _from_text(driver, recorded, self.scope, fingerprint.live_only)
        state = reading.state(self.scope, wanted.of(driver))
        if recorded and not _text(recorded, driver.part) and state == driver.parse("", self.scope):
            return FromText(driver, _no_text, self.scope, driver.live_only(state))
        return state

    def is_as_recorded(
        self, fingerprints: Mapping[str, Fingerprint], readings: Readings, filled: Collection[str]
    ) -> bool:
        """Whether each part either matches its fingerprint, or is not among ``filled`` and has no objects of ours; and
        nothing is foreign in it.

        ``filled``: the parts in which the target puts objects. Errors: StepError.
        """
        for driver in self.drivers:
            fingerprint, reading = fingerprints.get(driver.part), readings.get(driver.part)
            if fingerprint is not None and reading is not None and reading.matches(fingerprint, self.scope):
                if any(driver.foreign(fingerprint.live_only)):
                    return False
            elif driver.part in filled or not _is_empty(driver, self.scope):
                return False
        return True

    def empty_parts(self, bundle: Bundle | None) -> frozenset[str]:
        """The parts, of those that are not recognised by a fingerprint, that a bundle leaves empty."""
        return frozenset(one.part for one in self.drivers if not (one.has_fingerprint or _text(bundle, one.part)))

    def fingerprints(self, readings: Readings, states: States) -> dict[str, Fingerprint]:
        """Return the fingerprints, by part, of the parts that were read and that this thread has not changed since.

        Errors: StepError.
        """
        found = {}
        for driver in self.drivers:
            if reading := readings.get(driver.part):
                digest, mark = reading.digest(self.scope) or "", reading.mark() or reading.mark_after()
                if digest or mark:
                    found[driver.part] = Fingerprint(digest, _live_only(driver, states), mark)
        return found

    def read_back(
        self, differing: Differing, wanted: States, readings: Readings, *, asking: bool = False
    ) -> tuple[Differing, dict[str, Fingerprint]]:
        """Read the parts that the steps changed. Return the parts that still differ, and the fingerprints of the
        others.

        ``readings``: those from before the steps. Where the kernel's number says that nothing but our steps happened
        since, it took them whole, and the part is not read. ``asking``: whether the kernel is asked only for the
        objects that differed, where that is possible. Errors: StepError.
        """
        marks = {one.part: readings[one.part].mark_after() for one in differing if one.part in readings}
        fingerprints = {
            one.part: Fingerprint("", one.driver.live_only(one.have), mark)
            for one in differing
            if (mark := marks.get(one.part))
        }
        rest = [one for one in differing if one.part not in fingerprints]
        again = {one.part: found for one in rest if (found := self._again(one.driver, readings.get(one.part)))}
        now = {}
        for one in rest:
            asked = one.as_kernel_has_it(self.scope) if asking else None
            if asked is None:
                asked = self._read_again(one, again.get(one.part), readings.get(one.part), wanted)
            now[one.part] = asked
        rest = [one for one in now.values() if one.have != one.want]
        return rest, {**fingerprints, **self.fingerprints(again, States({part: one.have for part, one in now.items()}))}

    def _again(self, driver: Driver[State], earlier: Reading[State] | None) -> Reading[State] | None:
        found = None if earlier is None else earlier.again()
        return driver.begin(self.scope) if found is None else found

    def _read_again(
        self, one: DifferingPart[State], reading: Reading[State] | None, earlier: Reading[State] | None, wanted: States
    ) -> DifferingPart[State]:
        """Return a part with the state that it has now, and with the whole state that is wanted."""
        driver = one.driver
        if reading and earlier and reading.changed_exactly(earlier, one.have, one.want, self.scope):
            live = driver.with_live_only(one.want, driver.live_only(one.have))
            return replace(one, have=live, want=live)
        whole = wanted.of(driver)
        live = reading.state(self.scope, whole) if reading else driver.read(self.scope, whole)
        return DifferingPart(driver, live, whole)

    def dump(self, live: States) -> dict[str, object]:
        """Return the live states in JSON's types, by part. Of a part that is as a known bundle has it, that is only
        what the bundle does not say (:meth:`Driver.live_only`)."""
        return {one.part: _dumped(one, live) for one in self.drivers}

    def load(self, data: Mapping[str, object], bundle: Bundle | None) -> States:
        """Return the states that :meth:`dump` was given. ``bundle``: the bundle that was known then.

        Errors: LookupError, TypeError; ValueError, when a state is looked at.
        """
        return States({one.part: self._loaded(one, data[one.part], bundle) for one in self.drivers})

    def _loaded(self, driver: Driver[State], data: object, bundle: Bundle | None) -> State | FromText[State]:
        if not isinstance(data, dict):
            raise TypeError(f"no state of {driver.part}: {data!r}"[:100])
        if "state" in data:
            return driver.load(data["state"])
        return _from_text(driver, bundle, self.scope, data["live_only"])

    def differing(self, live: States, wanted: States) -> Differing:
        """Return the parts whose states differ, each with both states."""
        found = (self._compared(one, live, wanted) for one in self.drivers)
        return [one for one in found if one is not None and one.have != one.want]

    def _compared(self, driver: Driver[State], live: States, wanted: States) -> DifferingPart[State] | None:
        """Return both states of a part; None where the same text describes both, which then need not be parsed."""
        one, other = live.from_text(driver), wanted.from_text(driver)
        if one is not None and other is not None and one.text == other.text:
            return None
        return DifferingPart(driver, live.of(driver), wanted.of(driver))

    def leaving_used(self, differing: Differing, wanted: States) -> tuple[States, tuple[str, ...]]:
        """Return the wanted states with what others use left behind (:meth:`Driver.leaving_used`), and a sentence for
        each such object."""
        found = {one.part: one.driver.leaving_used(one.have, one.want) for one in differing}
        used = {part: state for part, (state, said) in found.items() if said}
        return wanted.replacing(used), tuple(words for _, said in found.values() for words in said)

    def changes(self, differing: Differing) -> list[Change]:
        """Return the changes, one for each object that differs."""
        return [change for one in differing for change in one.changes()]

    def obstacles(self, differing: Differing) -> list[str]:
        """Return the reasons why this machine cannot get the wanted states, each as a sentence."""
        return [why for one in differing for why in one.driver.obstacles(one.have, one.want, self.scope)]

    def routes(self, states: States) -> Iterator[Route]:
        """Yield the routes of all parts (:meth:`Driver.routes`)."""
        return (route for one in self.drivers for route in one.routes(states.of(one)))

    def served(self, states: States) -> Iterator[Route]:
        """Yield the routes of all parts by which new connections go (:meth:`Driver.served`)."""
        return (route for one in self.drivers for route in one.served(states.of(one)))

    def foreign(self, live: States) -> list[str]:
        """Return sentences that name what others have under our names (:meth:`Driver.foreign`)."""
        return [why for one in self.drivers for why in one.foreign(_live_only(one, live))]

    def steps(
        self, live: States, differing: Differing, transition: Transition, translates: bool | None = None
    ) -> list[Step]:
        """Return the steps in the order in which they are taken. Within a phase, parts that are removed altogether come
        last.

        ``translates``: whether rules that translate serve now, rather than IPVS; None: find that out from ``live``.
        """
        of_rules = cache(lambda: self._translates(live) if translates is None else translates)
        ranked = [
            (_rank(step.phase, transition, of_rules), one.want == one.driver.parse("", self.scope), step)
            for one in differing
            for step in one.driver.steps(one.have, one.want, self.scope, transition)
        ]
        return [step for _, _, step in sorted(ranked, key=lambda one: one[:2])]

    def _translates(self, live: States) -> bool:
        """Whether rules that translate serve in a state, rather than IPVS. Packets that such rules led to endpoints are
        for the machine's own addresses once the rules are removed."""
        serving = (driver for driver in self.drivers if driver.translates or driver.balances)
        filled = [driver for driver in serving if _has_objects(driver, live, self.scope)]
        return bool(filled) and not any(driver.balances for driver in filled)

    def gone_routes(self, differing: Differing, transition: Transition) -> Routes:
        """Return the routes that are gone in the wanted states.

        Translated connections go on when another part translates the new ones, so their routes do not count as gone.
        Connections of IPVS end with it.
        """
        gone = Routes(route for one in differing for route in one.gone_routes().ranges())
        if not gone or transition.new == transition.old or transition.from_balancer:
            return gone
        return gone - Routes.of(route for one in differing for route in one.driver.routes(one.want))

    def new_frontends(self, differing: Differing) -> Frontends:
        """Return the frontends that are served in the wanted states, and are not before."""
        come = Frontends(served for one in differing for served in one.new_routes().frontends.ranges())
        for one in differing:
            come -= one.driver.serves(one.have, come)
        return come


def _dumped(driver: Driver[State], live: States) -> dict[str, object]:
    text = live.from_text(driver)
    return {"state": driver.dump(live.of(driver))} if text is None else {"live_only": text.live_only}


def _live_only(driver: Driver[State], states: States) -> object:
    text = states.from_text(driver)
    return driver.live_only(states.of(driver)) if text is None else text.live_only


def _has_objects(driver: Driver[State], live: States, scope: Scope) -> bool:
    """Whether a part has any object of ours. Where a text describes its state, the text need not be parsed for that."""
    text = live.from_text(driver)
    return bool(text.text) if text else bool(live.of(driver) != driver.parse("", scope))


def _is_empty(driver: Driver[State], scope: Scope) -> bool:
    """Whether the kernel has no object under our names in a driver's part. Errors: StepError."""
    nothing = driver.parse("", scope)
    live = driver.read(scope, nothing)
    return bool(live == nothing) and not any(driver.foreign(driver.live_only(live)))


def _rank(phase: Phase, transition: Transition, translates: Callable[[], bool]) -> int:
    """Return the place of a phase in the order of steps. ``translates``: returns whether rules that translate serve."""
    if phase is Phase.ADDRESSES and transition.to_balancer and translates():
        return Phase.SYSCTLS
    if transition.new is None and phase in TEARDOWN:
        return Phase.RULES + TEARDOWN.index(phase)
    if phase is Phase.ADDRESSES_OFF and translates():
        return Phase.RULES - 1
    return phase


def _text(bundle: Bundle | None, part: str) -> str:
    artifact = bundle.artifact(part) if bundle else None
    return artifact.text if artifact else ""


def _from_text(driver: Driver[State], bundle: Bundle | None, scope: Scope, live_only: object = None) -> FromText[State]:
    """Return the state that a bundle describes for a driver; without a bundle, or without the part in it, the state
    without any of our objects."""
    return FromText(driver, lambda: bundle.artifact(driver.part) if bundle else None, scope, live_only)


def _from_text_later(
    driver: Driver[State], bundle: Callable[[], Bundle | None], scope: Scope, live_only: object
) -> FromText[State]:
    def artifact() -> Artifact | None:
        made = bundle()
        return made.artifact(driver.part) if made else None

    return FromText(driver, artifact, scope, live_only)


def _no_text() -> None:
    pass
