"""The states of all drivers, by part. A state that a text describes is parsed when it is first asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Generic, TypeAlias, cast

from svcc.apply.driver import Driver, Fingerprint, State
from svcc.apply.scope import Scope
from svcc.kernel.routes import Routes
from svcc.kernel.steps import Change
from svcc.targets.interface import Artifact, Difference


class UnreadableText(ValueError):
    """The text of a recorded generation cannot be read by this svcc; another svcc may have written it. ``str()`` says
    which part it is of, and why."""


@dataclass(frozen=True)
class FromText(Generic[State]):
    """A state that an artifact's text describes, with what only a live state holds (:meth:`Driver.live_only`)."""

    driver: Driver[State]
    artifact: Callable[[], Artifact | None]  # returns the artifact; None: there is none, and no object of ours
    scope: Scope
    live_only: object = None

    @cached_property
    def text(self) -> str:
        """The text of the part; "" where the bundle has none."""
        artifact = self.artifact()
        return "" if artifact is None else artifact.text

    @property
    def objects(self) -> object | None:
        """The objects that the target printed the text from; None where only the text is known."""
        artifact = self.artifact()
        return None if artifact is None else artifact.state

    @cached_property
    def state(self) -> State:
        """The state. Errors: UnreadableText."""
        made = None if self.objects is None else self.driver.from_target(self.objects)
        try:
            state = self.driver.parse(self.text, self.scope) if made is None else made
            return self.driver.with_live_only(state, self.live_only)
        except ValueError as error:
            why = f"part {self.driver.part} of a generation is not as this svcc writes it: {error}"
            raise UnreadableText(f"{why}; run `svcc apply` with its file, which writes it anew") from error


class States:
    """The states of all of our objects, part by part. Only the driver of a part looks into its state."""

    def __init__(self, parts: Mapping[str, object]) -> None:
        """``parts``: for the name of each driver's part, a state that the driver made, or a :class:`FromText`."""
        self._parts = parts

    def of(self, driver: Driver[State]) -> State:
        """Return the state of a driver's part. Errors: UnreadableText."""
        text = self.from_text(driver)
        return cast(State, self._parts[driver.part]) if text is None else text.state

    def replacing(self, parts: Mapping[str, object]) -> States:
        """Return the same states with others for some parts, which their drivers made."""
        return States({**self._parts, **parts}) if parts else self

    def from_text(self, driver: Driver[State]) -> FromText[State] | None:
        """Return the :class:`FromText` that describes a driver's state; None where the state was read from the
        kernel."""
        held = self._parts[driver.part]
        return held if isinstance(held, FromText) else None


@dataclass(frozen=True)
class DifferingPart(Generic[State]):
    """A part that differs between the kernel and what is wanted."""

    driver: Driver[State]
    have: State  # the live state
    want: State  # the wanted state

    @property
    def part(self) -> str:
        """The name of the part."""
        return self.driver.part

    def changes(self) -> Iterator[Change]:
        """Yield the changes from the live state to the wanted one."""
        return self.driver.changes(self.have, self.want)

    def gone_routes(self) -> Routes:
        """Return the routes of the live state that the wanted one lacks."""
        return self.driver.gone_routes(self.have, self.want)

    def new_routes(self) -> Routes:
        """Return the routes of the wanted state that the live one lacks."""
        return self.driver.gone_routes(self.want, self.have)

    def as_kernel_has_it(self, scope: Scope) -> DifferingPart[State] | None:
        """Return the part with the state that the kernel has now (:meth:`Driver.ask`); None where the kernel cannot be
        asked for its objects alone."""
        found = self.driver.ask(self.have, self.want, scope)
        return None if found is None else replace(self, have=found)


def differing_part(
    driver: Driver[State], difference: Difference | None, fingerprint: Fingerprint | None
) -> DifferingPart[State] | None:
    """A part of rules of which targets made what differs. None: they made nothing for it.

    ``fingerprint``: the part's, where it is known; it has what no target says of a state.
    """
    if difference is None:
        return None
    have, want = driver.from_target(difference.before), driver.from_target(difference.after)
    assert have is not None
    assert want is not None
    live_only = fingerprint.live_only if fingerprint else None
    return DifferingPart(driver, driver.with_live_only(have, live_only), driver.with_live_only(want, live_only))


#: The parts that differ, each of its own kind.
Differing: TypeAlias = Sequence[DifferingPart[Any]]
