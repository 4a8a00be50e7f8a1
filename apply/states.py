"""The states of all drivers together, each made when it is first asked for where it is what a text tells."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from svcc.apply.driver import Driver
from svcc.apply.scope import Scope
from svcc.targets.interface import Artifact


class Untold(ValueError):
    """What a generation put into the kernel is kept as a text that this svcc does not read, as an older one may have
    written it. ``str()`` says which part and why."""


@dataclass(frozen=True)
class Told:
    """A state that a text tells, and what a driver noted of it besides (:meth:`Driver.unsaid`)."""

    driver: Driver[Any]
    artifact: Callable[[], Artifact | None]  # with the text; None: there is none, and nothing of ours
    scope: Scope
    unsaid: Any = None

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
    def state(self) -> Any:
        """Errors: Untold."""
        made = None if self.made is None else self.driver.made(self.made)
        try:
            state = self.driver.parse(self.text, self.scope) if made is None else made
            return self.driver.with_unsaid(state, self.unsaid)
        except ValueError as error:
            why = f"part {self.driver.part} of a generation is not as this svcc writes it: {error}"
            raise Untold(f"{why}; `svcc apply` of its file writes it anew") from error


class States(Mapping[str, Any]):
    """A state of everything that is ours, by the driver's part."""

    def __init__(self, parts: Mapping[str, Any]) -> None:
        """``parts``: states, or :class:`Told`."""
        self._parts = parts

    def __getitem__(self, part: str) -> Any:
        held = self._parts[part]
        return held.state if isinstance(held, Told) else held

    def __iter__(self) -> Iterator[str]:
        return iter(self._parts)

    def __len__(self) -> int:
        return len(self._parts)

    def told(self, part: str) -> Told | None:
        """What a state is told by; None where it was read."""
        held = self._parts[part]
        return held if isinstance(held, Told) else None
