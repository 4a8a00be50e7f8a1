"""The states of all drivers by part. One that a text describes is parsed when it is first asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Generic, TypeAlias, cast

from svcc.apply.driver import Driver, Fingerprint, State
from svcc.apply.scope import Scope
from svcc.kernel.steps import Change, Route
from svcc.targets.interface import Artifact, Difference


class UnreadableText(ValueError):
    """The text of a recorded generation is none that this svcc reads: an older svcc may have written it. ``str()`` says
    which part and why."""


@dataclass(frozen=True)
class FromText(Generic[State]):
    """A state that a text describes, and what a driver noted of the kernel beside it (:meth:`Driver.live_only`)."""

    driver: Driver[State]
    artifact: Callable[[], Artifact | None]  # with the text; None: there is none, and nothing of ours
    scope: Scope
    live_only: object = None

    @cached_property
    def text(self) -> str:
        """The text of the part; "" where the bundle has none."""
        artifact = self.artifact()
        return "" if artifact is None else artifact.text

    @property
    def made(self) -> object | None:
        """The objects that the target printed the text from; None: the text alone is there."""
        artifact = self.artifact()
        return None if artifact is None else artifact.state

    @cached_property
    def state(self) -> State:
        """The state. Errors: UnreadableText."""
        made = None if self.made is None else self.driver.made(self.made)
        try:
            state = self.driver.parse(self.text, self.scope) if made is None else made
            return self.driver.with_live_only(state, self.live_only)
        except ValueError as error:
            why = f"part {self.driver.part} of a generation is not as this svcc writes it: {error}"
            raise UnreadableText(f"{why}; `svcc apply` of its file writes it anew") from error


class States:
    """A state of everything that is ours, part by part. Only the driver of a part looks into its state."""

    def __init__(self, parts: Mapping[str, object]) -> None:
        """``parts``: by the driver's part, states that the driver made, or :class:`FromText`."""
        self._parts = parts

    def of(self, driver: Driver[State]) -> State:
        """The state of a driver's part. Errors: UnreadableText."""
        text = self.from_text(driver)
        return cast(State, self._parts[driver.part]) if text is None else text.state

    def from_text(self, driver: Driver[State]) -> FromText[State] | None:
        """The text that describes a driver's state; None: the state was read from the kernel."""
        held = self._parts[driver.part]
        return held if isinstance(held, FromText) else None


@dataclass(frozen=True)
class DifferingPart(Generic[State]):
    """A part that differs: the state that is there, and the one that is wanted."""

    driver: Driver[State]
    have: State
    want: State

    @property
    def part(self) -> str:
        """The part that differs."""
        return self.driver.part

    def changes(self) -> Iterator[Change]:
        """The objects that differ, from what is there to what is wanted."""
        return self.driver.changes(self.have, self.want)

    def gone(self) -> set[Route]:
        """The routes that are gone when what is wanted is there."""
        return self.driver.gone_routes(self.have, self.want)

    def new(self) -> set[Route]:
        """The routes that come with it."""
        return self.driver.gone_routes(self.want, self.have)

    def asked(self, scope: Scope) -> DifferingPart[State] | None:
        """The same part, as the kernel has it now (:meth:`Driver.ask`). None: the kernel cannot be asked for it."""
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
    have, want = driver.made(difference.before), driver.made(difference.after)
    assert have is not None
    assert want is not None
    live_only = fingerprint.live_only if fingerprint else None
    return DifferingPart(driver, driver.with_live_only(have, live_only), driver.with_live_only(want, live_only))


#: The parts that differ, each of its own kind.
Differing: TypeAlias = Sequence[DifferingPart[Any]]
