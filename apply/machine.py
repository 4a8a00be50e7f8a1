"""The machine as a whole: the states of all drivers, what differs between two of them, and the steps in order."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from types import MappingProxyType
from typing import Any, TypeAlias

from svcc.apply import drivers, nft
from svcc.apply.driver import Driver, Fingerprint, Reading, State, Transition
from svcc.apply.fingerprints import RecordedState
from svcc.apply.scope import Scope
from svcc.apply.states import Differing, DifferingPart, FromText, States
from svcc.kernel.steps import TEARDOWN, Change, FrontendAddress, Phase, Route, Step
from svcc.targets.interface import Artifact, Bundle

#: Readings that were begun, by the driver's part.
Readings: TypeAlias = Mapping[str, Reading[Any]]

DRIVERS: tuple[Driver[Any], ...] = (*drivers.HOST, nft.DRIVER, *drivers.RULES)


@dataclass(frozen=True)
class Machine:
    """What is ours on this machine. Everything happens in the network namespace of the calling thread."""

    scope: Scope
    drivers: Sequence[Driver[Any]] = field(default_factory=lambda: DRIVERS)

    def parse_later(self, bundle: Callable[[], Bundle | None], fingerprints: Mapping[str, Fingerprint]) -> States:
        """As :meth:`parse`, of a bundle that is made when the first of the states is looked at. ``fingerprints``: those
        recorded while that bundle was in the kernel."""
        made = cache(bundle)
        live_only = {part: fingerprint.live_only for part, fingerprint in fingerprints.items()}
        return States(
            {one.part: _from_text_later(one, made, self.scope, live_only.get(one.part)) for one in self.drivers}
        )

    def parse(self, bundle: Bundle | None) -> States:
        """What a bundle asks for; None: that nothing of ours is there. Errors, when it is looked at: ValueError."""
        return States({one.part: _from_text(one, bundle, self.scope) for one in self.drivers})

    def begin(self, fingerprints: Mapping[str, Fingerprint] = MappingProxyType({})) -> Readings:
        """Begin to read what is there. ``fingerprints``: those recorded in this scope."""
        readings = ((driver.part, driver.begin(self.scope, fingerprints.get(driver.part))) for driver in self.drivers)
        return {part: reading for part, reading in readings if reading is not None}

    def read(self, wanted: States, readings: Readings | None = None, known: RecordedState | None = None) -> States:
        """What is there. ``readings``: readings of the same scope. Errors: StepError."""
        readings = self.begin() if readings is None else readings
        return States({one.part: self._state(one, readings.get(one.part), wanted, known) for one in self.drivers})

    def _state(
        self, driver: Driver[State], reading: Reading[State] | None, wanted: States, known: RecordedState | None
    ) -> State | FromText[State]:
        """The state that is read; or the recorded bundle's, where the part matches its fingerprint."""
        if reading is None:
            return driver.read(self.scope, wanted.of(driver))
        fingerprint = known.fingerprints.get(driver.part) if known else None
        if known and fingerprint and reading.matches(fingerprint, self.scope):
            return _from_text(driver, known.bundle, self.scope, fingerprint.live_only)
        state = reading.state(self.scope, wanted.of(driver))
        if known and known.bundle and not _text(known.bundle, driver.part) and state == driver.parse("", self.scope):
            return FromText(driver, _no_text, self.scope, driver.live_only(state))
        return state

    def is_as_recorded(
        self, fingerprints: Mapping[str, Fingerprint], readings: Readings, filled: Collection[str]
    ) -> bool:
        """Whether each part matches its fingerprint, and parts that are not ``filled`` have nothing of ours.

        Errors: StepError.
        """
        for driver in self.drivers:
            fingerprint, reading = fingerprints.get(driver.part), readings.get(driver.part)
            known = fingerprint is not None and reading is not None and reading.matches(fingerprint, self.scope)
            if not known and (driver.part in filled or not _nothing(driver, self.scope)):
                return False
        return True

    def empty(self, bundle: Bundle | None) -> frozenset[str]:
        """The parts, of those that are not recognised by a fingerprint, that a bundle leaves empty."""
        return frozenset(one.part for one in self.drivers if not (one.has_fingerprint or _text(bundle, one.part)))

    def fingerprints(self, readings: Readings, states: States) -> dict[str, Fingerprint]:
        """Fingerprints of the parts that were read, and that this thread has not changed since. Errors: StepError."""
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
        """Re-read what the steps changed; return what still differs, and the fingerprints of the rest.

        ``readings``: those from before the steps. Where the kernel says that nothing but our steps happened since, they
        were taken whole, and nothing is read. ``asking``: it is asked for what differed alone, where it can be.
        Errors: StepError.
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
            asked = one.asked(self.scope) if asking else None
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
        """A part with the state that it has now, and the whole one that is wanted."""
        driver = one.driver
        if reading and earlier and reading.became(earlier, one.have, one.want, self.scope):
            there = driver.with_live_only(one.want, driver.live_only(one.have))
            return replace(one, have=there, want=there)
        whole = wanted.of(driver)
        there = reading.state(self.scope, whole) if reading else driver.read(self.scope, whole)
        return DifferingPart(driver, there, whole)

    def dump(self, live: States) -> dict[str, object]:
        """What is there, as JSON. Of a part that is as a known bundle has it, only what the bundle does not say."""
        return {one.part: _dumped(one, live) for one in self.drivers}

    def load(self, data: Mapping[str, object], bundle: Bundle | None) -> States:
        """What :meth:`dump` made, with the bundle that was known then. Errors, when it is looked at: ValueError."""
        return States({one.part: self._loaded(one, data[one.part], bundle) for one in self.drivers})

    def _loaded(self, driver: Driver[State], data: object, bundle: Bundle | None) -> State | FromText[State]:
        if not isinstance(data, dict):
            raise TypeError(f"no state of {driver.part}: {data!r}"[:100])
        if "state" in data:
            return driver.load(data["state"])
        return _from_text(driver, bundle, self.scope, data["live_only"])

    def differing(self, live: States, wanted: States) -> Differing:
        """The parts whose states differ, with both."""
        found = (self._compared(one, live, wanted) for one in self.drivers)
        return [one for one in found if one is not None and one.have != one.want]

    def _compared(self, driver: Driver[State], live: States, wanted: States) -> DifferingPart[State] | None:
        """What is to be compared of a part. None: both states are described by the same text, which is not parsed."""
        one, other = live.from_text(driver), wanted.from_text(driver)
        if one is not None and other is not None:
            if one.text == other.text:
                return None
            if pair := driver.parse_differing(one.text, other.text, self.scope):
                return DifferingPart(driver, *pair)
        return DifferingPart(driver, live.of(driver), wanted.of(driver))

    def changes(self, differing: Differing) -> list[Change]:
        """Every object that differs."""
        return [change for one in differing for change in one.changes()]

    def obstacles(self, differing: Differing) -> list[str]:
        """What keeps this machine from the states that are wanted, in words; empty where nothing does."""
        return [why for one in differing for why in one.driver.obstacles(one.have, one.want, self.scope)]

    def steps(
        self, live: States, differing: Differing, transition: Transition, translates: bool | None = None
    ) -> list[Step]:
        """In the order in which they are taken. In one phase, what comes is there before what goes is gone.

        ``translates``: whether it is rules that serve, and no balancer; None: that is asked of ``live``.
        """
        of_rules = cache(lambda: self._translates(live) if translates is None else translates)
        ranked = [
            (_rank(step.phase, transition, of_rules), one.want == one.driver.parse("", self.scope), step)
            for one in differing
            for step in one.driver.steps(one.have, one.want, self.scope, transition)
        ]
        return [step for _, _, step in sorted(ranked, key=lambda one: one[:2])]

    def _translates(self, live: States) -> bool:
        """Whether it is rules that serve, and no balancer: when they go, what they led elsewhere has to be local."""
        serving = (driver for driver in self.drivers if driver.translates or driver.balances)
        there = [driver for driver in serving if _is_there(driver, live, self.scope)]
        return bool(there) and not any(driver.balances for driver in there)

    def gone_routes(self, differing: Differing, transition: Transition) -> set[Route]:
        """The routes that are gone when what is wanted is there.

        Translated connections go on when another part translates the new ones; those of IPVS do not outlast it.
        """
        gone = {route for one in differing for route in one.gone()}
        if not gone or transition.new == transition.old or transition.from_balancer:
            return gone
        return gone - {route for one in differing for route in one.driver.routes(one.want)}

    def new_frontends(self, differing: Differing) -> set[FrontendAddress]:
        """The frontends that are served when what is wanted is there, and are not before."""
        come = {route.frontend for one in differing for route in one.new()}
        return come - {frontend for one in differing for frontend in one.driver.serves(one.have, come)}


def _dumped(driver: Driver[State], live: States) -> dict[str, object]:
    text = live.from_text(driver)
    return {"state": driver.dump(live.of(driver))} if text is None else {"live_only": text.live_only}


def _live_only(driver: Driver[State], states: States) -> object:
    text = states.from_text(driver)
    return driver.live_only(states.of(driver)) if text is None else text.live_only


def _is_there(driver: Driver[State], live: States, scope: Scope) -> bool:
    """Whether anything of ours is in a part; an artifact says so without being parsed."""
    text = live.from_text(driver)
    return bool(text.text) if text else bool(live.of(driver) != driver.parse("", scope))


def _nothing(driver: Driver[State], scope: Scope) -> bool:
    nothing = driver.parse("", scope)
    return bool(driver.read(scope, nothing) == nothing)


def _rank(phase: Phase, transition: Transition, translates: Callable[[], bool]) -> int:
    """``translates``: whether rules that translate are there."""
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
    """What a bundle has for a driver; without a bundle, or a part in it, nothing of ours is there."""
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
