"""The states of all drivers together, each made when it is first asked for where it is what a text tells."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Generic, TypeAlias, cast

from svcc.apply.driver import Driver, State
from svcc.apply.scope import Scope
from svcc.kernel.steps import Change, Route
from svcc.targets.interface import Artifact


class Untold(ValueError):
    """What a generation put into the kernel is kept as a text that this svcc does not read, as an older one may have
    written it. ``str()`` says which part and why."""


@dataclass(frozen=True)
class Told(Generic[State]):
    """A state that a text tells, and what a driver noted of it besides (:meth:`Driver.unsaid`)."""

    driver: Driver[State]
    artifact: Callable[[], Artifact | None]  # with the text; None: there is none, and nothing of ours
    scope: Scope
    unsaid: object = None

    @cached_property
    def text(self) -> str:
        artifact = self.artifact()
        return "" if artifact is None else artifact.text

    @property
    def made(self) -> object | None:
        """What the target printed the text from."""
        artifact = self.artifact()
        return None if artifact is None else artifact.state

    @cached_property
    def state(self) -> State:
        """Errors: Untold."""
        made = None if self.made is None else self.driver.made(self.made)
        try:
            state = self.driver.parse(self.text, self.scope) if made is None else made
            return self.driver.with_unsaid(state, self.unsaid)
        except ValueError as error:
            why = f"part {self.driver.part} of a generation is not as this svcc writes it: {error}"
            raise Untold(f"{why}; `svcc apply` of its file writes it anew") from error


class States:
    """A state of everything that is ours. Only the driver of a part makes and reads its state."""

    def __init__(self, parts: Mapping[str, object]) -> None:
        """``parts``: by the driver's part, states that the driver made, or :class:`Told`."""
        self._parts = parts

    def of(self, driver: Driver[State]) -> State:
        """The state of a driver's part. Errors: Untold."""
        told = self.told(driver)
        return cast(State, self._parts[driver.part]) if told is None else told.state

    def told(self, driver: Driver[State]) -> Told[State] | None:
        """What a state is told by; None where it was read."""
        held = self._parts[driver.part]
        return held if isinstance(held, Told) else None


@dataclass(frozen=True)
class Differs(Generic[State]):
    """A part that differs: the state that is there, and the one that is wanted."""

    driver: Driver[State]
    have: State
    want: State

    @property
    def part(self) -> str:
        return self.driver.part

    def changes(self) -> Iterator[Change]:
        return self.driver.changes(self.have, self.want)

    def gone(self) -> set[Route]:
        """The routes that are gone when what is wanted is there."""
        return self.driver.left(self.have, self.want)

    def new(self) -> set[Route]:
        """The routes that come with it."""
        return self.driver.left(self.want, self.have)

    def asked(self, scope: Scope) -> Differs[State] | None:
        """The same with what the kernel has now of these states (:meth:`Driver.ask`). None: there is no asking."""
        found = self.driver.ask(self.have, self.want, scope)
        return None if found is None else replace(self, have=found)


#: The parts that differ, each of its own kind.
Differing: TypeAlias = Sequence[Differs[Any]]
