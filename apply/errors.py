"""The errors that a session raises, besides those of :mod:`svcc.apply.state_files`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from svcc.compiler.errors import SvccError
from svcc.kernel.steps import Change, StepError, ToolEnd

if TYPE_CHECKING:
    from svcc.apply.plan import Plan


class Outdated(SvccError):
    """The machine has changed since ``plan`` was made: another generation is in place, or rules differ.

    ``generation``: the number of the one in place now; None where none is.
    """

    def __init__(self, plan: Plan, generation: int | None) -> None:
        was = "nothing" if plan.generation is None else f"generation {plan.generation}"
        now = "nothing" if generation is None else f"generation {generation}"
        words = f"{now} is in place" if was != now else f"the rules of {now} were changed since"
        super().__init__(f"the plan was made while {was} was in place, and {words}: plan again")
        self.plan = plan
        self.generation = generation


class Unconfirmed(SvccError):
    """An earlier apply, ``generation``, still waits to be confirmed."""

    def __init__(self, generation: int | None) -> None:
        super().__init__(f"generation {generation} still waits to be confirmed")
        self.generation = generation


class ToolFailed(SvccError):
    """A part of the kernel's state could not be read or changed: ``part``, and the tool's ``words`` and ``end``."""

    def __init__(self, error: StepError) -> None:
        super().__init__(str(error))
        self.part: str = error.part
        self.words: str = error.words
        self.end: ToolEnd = error.end


@contextmanager
def raise_tool_failed() -> Iterator[None]:
    """Raise a StepError, which :mod:`svcc.kernel` raises, as a ToolFailed, which is an SvccError."""
    try:
        yield
    except StepError as error:
        raise ToolFailed(error) from error


class InvalidPlan(SvccError):
    """The data is no saved plan, or one of another svcc."""


class Refused(SvccError):
    """The apply was not begun. ``reasons`` has a sentence for each thing that is in the way."""

    def __init__(self, reasons: Sequence[str]) -> None:
        self.reasons = tuple(dict.fromkeys(reasons))  # one tool may be missing for several parts
        super().__init__("; ".join(self.reasons))


class Restored(SvccError):
    """The apply failed and everything is as it was. ``cause`` says why."""

    def __init__(self, cause: BaseException) -> None:
        super().__init__(str(cause))
        self.cause = cause


class Broken(SvccError):
    """The apply failed, and so did going back. ``not_restored`` is what differs from the state before."""

    def __init__(self, cause: BaseException, not_restored: Sequence[Change], words: str = "") -> None:
        super().__init__(str(cause))
        self.cause = cause
        self.not_restored = tuple(not_restored)
        self.words = words  # why going back failed, where a tool or the system refused it


class NotTaken(Exception):
    """The kernel does not hold what it was given, though no tool complained."""

    def __init__(self, changes: Sequence[Change]) -> None:
        shown = "; ".join(map(str, changes[:3])) + ("; …" if len(changes) > 3 else "")
        super().__init__(f"the kernel does not hold what it was given: {shown}")
        self.changes = tuple(changes)
